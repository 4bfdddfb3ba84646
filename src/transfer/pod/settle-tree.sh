#!/bin/sh
# Puts a tree that was unpacked in a stage (the first argument) into the current folder. The others say how, in
# their order:
#   f PATH             removes a folder that is in the way of something else
#   m                  moves all that is in the stage to its place
#   s                  removes the stage, whose going changes the folder's time
#   x PATH             removes
#   t MODE TIME PATH   gives a folder its mode and time; a mode of - leaves it as it is
# All of it may be done twice. What fails is printed.
stage=$1
shift

# Moves folders of the stage (the arguments behind the first) into a folder of the tree: whole if it has none of
# that name, else what is in them. Programs of inner shells; find would take a pair of braces in its arguments for
# its own.
# shellcheck disable=SC2016,SC2089
move_folders='
to=$1
shift
for folder do
  shift
  name=${folder##*/}
  if [ ! -L "$to/$name" ] && [ -d "$to/$name" ]; then
    find "$folder" -mindepth 1 -maxdepth 1 -type d -exec sh -c "eval \"\$move_folders\"" sh "$to/$name" {} +
    find "$folder" -mindepth 1 -maxdepth 1 ! -type d -exec sh -c "$move_files" sh "$to/$name" {} +
    continue
  fi
  if [ -L "$to/$name" ] || [ -e "$to/$name" ]; then rm -f "$to/$name"; fi
  set -- "$@" "$folder"
done
if [ $# != 0 ] && ! mv -f -- "$@" "$to/"; then
  # Somebody has made one of them meanwhile, such as what is left of a session that was lost.
  for folder do
    shift
    [ ! -d "$folder" ] || set -- "$@" "$folder"
  done
  if [ -n "$_rp_failed" ] || [ $# = 0 ]; then
    printf "%s\n" "$to"
  else
    _rp_failed=1
    set -- "$to" "$@"
    eval "$move_folders"
  fi
fi
'
# shellcheck disable=SC2016,SC2089
move_files='to=$1; shift; mv -f -- "$@" "$to/" || printf "%s\n" "$to"'
# shellcheck disable=SC2090
export move_folders move_files

for record do
  verb=${record%% *}
  path=${record#* }
  case $verb in
  f)
    if [ ! -L "./$path" ] && [ -d "./$path" ]; then rm -rf "./$path" || printf '%s\n' "$path"; fi
    ;;
  m)
    # Two, since busybox's forgets what it has gathered in brackets.
    find "$stage" -mindepth 1 -maxdepth 1 -type d -exec sh -c 'eval "$move_folders"' sh . {} + || echo .
    find "$stage" -mindepth 1 -maxdepth 1 ! -type d -exec sh -c "$move_files" sh . {} + || echo .
    ;;
  s)
    # Nothing may go with it that has not been moved.
    [ -z "$(find "$stage" ! -type d | head -c 1)" ] || echo .
    rm -rf "$stage"
    ;;
  x) rm -rf "./$path" || printf '%s\n' "$path" ;;
  t)
    mode=${path%% *}
    path=${path#* }
    time=${path%% *}
    path=${path#* }
    [ "$mode" = - ] || chmod "$mode" "./$path" || printf '%s\n' "$path"
    touch -d "@$time" "./$path" || touch -d "@${time%%.*}" "./$path"
    ;;
  esac
done
# What failed has been said; another status is that of a shell that was ended.
:
