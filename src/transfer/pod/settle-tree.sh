#!/bin/sh
# Puts a tree that was unpacked in a stage (the first argument) into the current folder. The others say how, in
# their order:
#   d PATH             makes a folder, in place of whatever is there
#   x PATH             removes
#   m PATH             moves into this folder all that the stage has in its own, but folders
#   t MODE TIME PATH   gives a folder its mode and time
# What fails is printed.
stage=$1
shift
for record do
  verb=${record%% *}
  path=${record#* }
  case $verb in
  d)
    [ ! -L "./$path" ] && [ -d "./$path" ] && continue
    rm -f "./$path"
    mkdir -p "./$path" || printf '%s\n' "$path"
    ;;
  x) rm -rf "./$path" || printf '%s\n' "$path" ;;
  m)
    # shellcheck disable=SC2016 # for the inner shell
    find "$stage/$path" -mindepth 1 -maxdepth 1 ! -type d \
      -exec sh -c 'to=$1; shift; exec mv -f "$@" "$to"' sh "./$path/" {} + || printf '%s\n' "$path"
    ;;
  t)
    mode=${path%% *}
    path=${path#* }
    time=${path%% *}
    path=${path#* }
    chmod "$mode" "./$path" || printf '%s\n' "$path"
    touch -d "@$time" "./$path" || touch -d "@${time%%.*}" "./$path"
    ;;
  esac
done
