#!/bin/sh
# For each name: kind size time mode name NUL target NUL, as find -printf would say it where find has that.
for name do
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
  short=${name#./}
  [ "$name" != . ] || short=
  printf '%s %s %s\000%s\000' "$kind" "$(stat -c '%s %Y %a' "$name")" "$short" "$target"
done
