# shellcheck shell=sh
# shellcheck disable=SC2154 # what session.sh sets
# shellcheck disable=SC2034 # what blocks.sh and trees.sh use
# Files to and from the pod: what there is at a path, and what all of it needs. Loaded into a session (session.sh)
# when it is first needed, before blocks.sh and trees.sh.

# openssl hashes four times as fast as sha256sum where the processor helps.
if rp_has openssl && [ "$(openssl dgst -sha256 -r </dev/null | cut -c 1-8)" = e3b0c442 ]; then
  rp_digest() { openssl dgst -sha256 -r; }
else
  rp_digest() { sha256sum; }
fi
# find -printf and nanoseconds are GNU's; busybox has neither.
_rp_gnu=
if find / -maxdepth 0 -printf '' && stat -c %.9Y / | grep -q '\.'; then _rp_gnu=1; fi
_rp_tar='tar'
_rp_tar_format='gnu'
if tar --version | grep -q GNU; then
  _rp_tar='tar --no-same-owner --delay-directory-restore --warning=none'
  _rp_tar_format='pax'
fi

# rp_input COUNT [ENCODED]: the next COUNT bytes of the input, out of ENCODED bytes of base64 where it is that. All of it
# is read, whatever becomes of it: the rest would be taken for the next call.
rp_input() {
  if [ -n "$2" ]; then
    dd bs=4096 count="$2" iflag=fullblock,count_bytes | {
      base64 -d
      cat >/dev/null
    }
  else
    dd bs=65536 count="$1" iflag=fullblock,count_bytes
  fi
}
# rp_coded_input CODE COUNT [ENCODED]: the same, unpacked if CODE is gzip.
rp_coded_input() {
  if [ "$1" = gzip ]; then
    rp_input "$2" "$3" | {
      gzip -dc
      cat >/dev/null
    }
  else
    rp_input "$2" "$3"
  fi
}

# rp_packs: whether the input, a sample of at most 64 kB, becomes so much smaller by packing that it is worth it: in
# base64, as which it would travel, it is a third longer again.
rp_packs() {
  [ "$(gzip -1 | wc -c)" -lt 45000 ]
}

# rp_why WORDS: sets _rp_why to what kept a program from writing, as far as its words tell.
rp_why() {
  case $1 in
  *'o space left'* | *[Qq]uota*) _rp_why=full ;;
  *'ermission denied'* | *'ead-only'* | *'ot permitted'*) _rp_why=denied ;;
  *) _rp_why=other ;;
  esac
}

# rp_free FOLDER: sets _rp_free to the kilobytes that df says are free there.
rp_free() {
  # shellcheck disable=SC2046 # the fields of df's last line
  set -- $(df -Pk "$1" | tail -n 1)
  [ $# -lt 5 ] || shift $(($# - 5))
  _rp_free=${3:-0}
}

# rp_survey PATH: kind size time mode of PATH, kind of its folder and whether it can be written to, whether PATH can
# be read, kilobytes free there, the tar on the pod, how many bytes are really stored, inode; and as payload the path
# that it really is.
rp_survey() {
  rp_decode "$1"
  _rp_file=$_rp_decoded
  if [ -L "$_rp_file" ]; then
    _rp_real=$(readlink -f "$_rp_file" && echo .)
    _rp_real=${_rp_real%??}
    [ -z "$_rp_real" ] || _rp_file=$_rp_real
  fi
  _rp_kind=none
  if [ -d "$_rp_file" ]; then
    _rp_kind=directory
  elif [ -f "$_rp_file" ]; then
    _rp_kind='file'
  elif [ -e "$_rp_file" ]; then
    _rp_kind=other
  fi
  _rp_stated='0 0 0 0 0'
  if [ $_rp_kind != none ]; then
    _rp_stat_format='%s %Y %a %b %i'
    [ -z "$_rp_gnu" ] || _rp_stat_format='%s %.9Y %a %b %i'
    _rp_stated=$(stat -L -c "$_rp_stat_format" "$_rp_file")
  fi
  _rp_folder=${_rp_file%/*}
  _rp_folder=${_rp_folder:-/}
  _rp_above=missing
  if [ -d "$_rp_folder" ]; then
    _rp_above=closed
    if [ -w "$_rp_folder" ]; then _rp_above=open; fi
  elif [ -e "$_rp_folder" ]; then
    _rp_above='file'
  fi
  while [ ! -d "$_rp_folder" ] && [ "$_rp_folder" != / ]; do
    _rp_folder=${_rp_folder%/*}
    _rp_folder=${_rp_folder:-/}
  done
  rp_free "$_rp_folder"
  _rp_readable=no
  if [ -r "$_rp_file" ]; then _rp_readable=yes; fi
  # shellcheck disable=SC2086 # five words
  set -- $_rp_stated
  rp_lock
  printf %s "$_rp_file" | rp_text path
  rp_end "$_rp_kind" "$1" "$2" "$3" "$_rp_above" "$_rp_readable" "$_rp_free" "$_rp_tar_format" "$(($4 * 512))" "$5"
  rp_unlock
}

# rp_gathered TYPE TEXT: TEXT, which is base64, as the payload of a frame. Text that takes long to come about is
# gathered before the lock is taken, so that nobody waits for it.
rp_gathered() {
  rp_header "$1" b
  printf '%s\n.\n' "$2" | cat
}

# rp_glob PATTERN: the paths that a pattern matches, NUL behind each; the path itself if it is there.
rp_glob() {
  rp_decode "$1"
  rp_lock
  if [ -e "$_rp_decoded" ] || [ -L "$_rp_decoded" ]; then
    printf '%s\000' "$_rp_decoded" | rp_text paths
  else
    (
      set +f
      IFS=
      # shellcheck disable=SC2086 # to be matched, and not split
      for _rp_path in $_rp_decoded; do
        [ ! -e "$_rp_path" ] || printf '%s\000' "$_rp_path"
      done
    ) | rp_text paths
  fi
  rp_end ok
  rp_unlock
}
