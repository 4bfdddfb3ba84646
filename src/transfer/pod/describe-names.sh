#!/bin/sh
# For each name: kind size time mode name NUL target NUL, as find -printf would say it where find has that.
# One stat for all of them; one for each only if a name has vanished meanwhile, which would shift the lines.
facts=$(stat -c '%s %Y %a' "$@") || facts=$(
  for name do
    stat -c '%s %Y %a' "$name" || echo 0 0 0
  done
)
for name do
  read -r fact
  kind='o' target=''
  if [ -L "$name" ]; then
    kind='l'
    target=$(readlink "$name" && echo .)
    target=${target%??}
  elif [ -d "$name" ]; then
    kind='d'
  elif [ -f "$name" ]; then
    kind='f'
  fi
  printf '%s %s %s\000%s\000' "$kind" "$fact" "$name" "$target"
done <<END
$facts
END
