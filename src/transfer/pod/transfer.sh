# shellcheck shell=sh
# shellcheck disable=SC2154 # what session.sh sets
# Files to and from the pod, by blocks and by trees. Loaded into a session (session.sh) when it is first needed.
#
# A file on its way lies beside its target as .runpod-ssh-KEY.part, and .runpod-ssh-KEY.done lists the blocks
# of it that have arrived: offset, length, SHA-256.

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
  _rp_tar='tar --no-same-owner --warning=none'
  _rp_tar_format='pax'
fi

# rp_range FILE FROM COUNT
rp_range() {
  dd if="$1" bs=262144 skip="$2" count="$3" iflag=skip_bytes,count_bytes,fullblock
}

# rp_stat_one: what stands at _rp_file: kind size time mode free, and whether a file can be made beside it.
rp_stat_one() {
  _rp_kind=none _rp_size=0 _rp_time=0 _rp_mode=0
  if [ -d "$_rp_file" ]; then
    _rp_kind=directory
  elif [ -f "$_rp_file" ]; then
    _rp_kind='file'
  elif [ -e "$_rp_file" ]; then
    _rp_kind=other
  fi
  if [ $_rp_kind != none ]; then
    _rp_stat_format='%s %Y %a'
    [ -z "$_rp_gnu" ] || _rp_stat_format='%s %.9Y %a'
    # shellcheck disable=SC2046 # three words
    set -- $(stat -L -c "$_rp_stat_format" "$_rp_file")
    _rp_size=$1 _rp_time=$2 _rp_mode=$3
  fi
}

# rp_survey PATH: kind size time mode of PATH, kind of its folder and whether it can be written to, bytes free
# there, the tar on the pod; and as payload the path that it really is.
rp_survey() {
  rp_decode "$1"
  _rp_file=$_rp_decoded
  if [ -L "$_rp_file" ]; then
    _rp_real=$(readlink -f "$_rp_file" && echo .)
    _rp_real=${_rp_real%??}
    [ -z "$_rp_real" ] || _rp_file=$_rp_real
  fi
  rp_stat_one
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
  # shellcheck disable=SC2046 # the fields of df's last line
  set -- $(df -Pk "$_rp_folder" | tail -n 1)
  [ $# -lt 5 ] || shift $(($# - 5))
  _rp_readable=no
  if [ -r "$_rp_file" ]; then _rp_readable=yes; fi
  rp_lock
  printf %s "$_rp_file" | rp_text path
  rp_end "$_rp_kind" "$_rp_size" "$_rp_time" "$_rp_mode" "$_rp_above" "$_rp_readable" "${3:-0}" "$_rp_tar_format"
  rp_unlock
}

# rp_open PART SIZE: makes the temporary file with its full length, or says which blocks are in it. What the
# list names is hashed again: it counts only if it is so.
rp_open() {
  rp_decode "$1"
  _rp_part=$_rp_decoded
  case $_rp_part in */*) mkdir -p "${_rp_part%/*}" ;; esac
  if [ -f "$_rp_part.part" ] && [ -f "$_rp_part.done" ]; then
    _rp_done=$(rp_verify_blocks)
  else
    rm -f "$_rp_part.part" "$_rp_part.done"
    _rp_done=
    (umask 077 && : >"$_rp_part.part") && dd if=/dev/null of="$_rp_part.part" bs=1 seek="$2"
    _rp_status=$?
    if [ $_rp_status != 0 ]; then
      rm -f "$_rp_part.part"
      rp_lock
      rp_end failed
      rp_unlock
      return
    fi
  fi
  rp_lock
  printf '%s\n' "$_rp_done" | rp_text blocks
  rp_end ok
  rp_unlock
}
rp_verify_blocks() {
  sort -u "$_rp_part.done" | while read -r _rp_from _rp_count _rp_sum; do
    _rp_now=$(rp_range "$_rp_part.part" "$_rp_from" "$_rp_count" | rp_digest)
    [ "${_rp_now%% *}" != "$_rp_sum" ] || echo "$_rp_from $_rp_count $_rp_sum"
  done
}

# rp_put PART FROM COUNT: the next COUNT bytes of this session's input, into PART. To be run in the session's
# own shell, whose input they come on; what is written is read again for its hash meanwhile.
rp_put() {
  rp_decode "$1"
  if dd bs=262144 count="$3" iflag=fullblock,count_bytes \
    of="$_rp_decoded.part" seek="$2" oflag=seek_bytes conv=notrunc; then
    (rp_put_done "$_rp_decoded" "$2" "$3") &
  else
    # How much of the block is still to come can't be known, so this session is over.
    rp_say . failed
    exit
  fi
}
# rp_put_text PART FROM COUNT ENCODED: the same from ENCODED bytes of base64.
rp_put_text() {
  rp_decode "$1"
  rp_input "$3" "$4" |
    dd bs=262144 of="$_rp_decoded.part" seek="$2" oflag=seek_bytes conv=notrunc iflag=fullblock
  (rp_put_done "$_rp_decoded" "$2" "$3") &
}
rp_put_done() {
  _rp_sum=$(rp_range "$1.part" "$2" "$3" | rp_digest)
  _rp_sum=${_rp_sum%% *}
  echo "$2 $3 $_rp_sum" >>"$1.done"
  rp_lock
  rp_end ok "$_rp_sum"
  rp_unlock
}

# rp_check_way COUNT: hashes the next COUNT bytes of the input: whether every byte comes through.
rp_check_way() {
  _rp_sum=$(dd bs=4096 count="$1" iflag=fullblock,count_bytes | rp_digest)
  rp_say . "${_rp_sum%% *}"
}

# rp_write PART: the text of the call, in base64, becomes the whole of PART; for small files.
rp_write() {
  rp_decode "$1"
  case $_rp_decoded in */*) mkdir -p "${_rp_decoded%/*}" ;; esac
  if printf %s "$_rp_text" | base64 -d >"$_rp_decoded.part"; then
    _rp_sum=$(rp_digest <"$_rp_decoded.part")
    rp_say . ok "${_rp_sum%% *}"
  else
    rm -f "$_rp_decoded.part"
    rp_say . failed
  fi
  _rp_ended=1
}

# rp_place PART TARGET SIZE MODE TIME: the temporary file takes its target's place.
rp_place() {
  rp_decode "$1"
  _rp_part=$_rp_decoded
  rp_decode "$2"
  _rp_file=$_rp_part.part
  rp_stat_one
  _rp_answer=
  if [ "$_rp_size" != "$3" ]; then
    _rp_answer=size
  elif [ -d "$_rp_decoded" ]; then
    _rp_answer=directory
  else
    chmod "$4" "$_rp_file"
    touch -d "@$5" "$_rp_file" || touch -d "@${5%%.*}" "$_rp_file"
    mv -f "$_rp_file" "$_rp_decoded" || _rp_answer=failed
  fi
  [ -n "$_rp_answer" ] || rm -f "$_rp_part.done"
  rp_say . "${_rp_answer:-ok}"
  _rp_ended=1
}

# rp_discard PART: gives a temporary file up.
rp_discard() {
  rp_decode "$1"
  rm -rf "$_rp_decoded.part" "$_rp_decoded.done"
}

# rp_get FILE FROM COUNT: COUNT bytes of FILE as one frame, then their hash, which is computed meanwhile.
rp_get() {
  rp_decode "$1"
  rp_lock
  if [ "$_rp_encoding" = raw ]; then
    printf '@%s %s d %s %s\n' "$_rp_nonce" "$_rp_call" "$3" "$2"
    {
      _rp_sum=$(
        rp_range "$_rp_decoded" "$2" "$3" >&6 &
        rp_range "$_rp_decoded" "$2" "$3" | rp_digest
        wait
      )
    } 6>&1
    echo
  else
    printf '@%s %s d b %s\n' "$_rp_nonce" "$_rp_call" "$2"
    rp_range "$_rp_decoded" "$2" "$3" | base64
    echo .
    _rp_sum=$(rp_range "$_rp_decoded" "$2" "$3" | rp_digest)
  fi
  rp_end ok "${_rp_sum%% *}"
  rp_unlock
}

# rp_list_tree ROOT: every name below ROOT, each as kind size time mode name NUL target NUL.
rp_list_tree() {
  rp_decode "$1"
  rp_lock
  if cd "$_rp_decoded"; then
    if [ -n "$_rp_gnu" ]; then
      find . -printf '%y %s %T@ %m %P\0%l\0' | rp_text list
    else
      find . -exec sh -c "$_rp_program_describe_names" sh {} + | rp_text list
    fi
    rp_end ok
  else
    rp_end none
  fi
  rp_unlock
}

# rp_unpack STAGE COUNT [ENCODED]: the next COUNT bytes of the input (or ENCODED bytes of base64) are a tar archive,
# unpacked into STAGE.part; then the SHA-256 of the files that its last file, .runpod-ssh-names, names.
rp_unpack() {
  rp_decode "$1"
  _rp_stage=$_rp_decoded.part
  rm -rf "$_rp_stage"
  (umask 077 && mkdir -p "$_rp_stage")
  rp_input "$2" "$3" | (
    # The stage is closed to others. busybox takes modes from the umask, whatever -p says, unless it is root.
    cd "$_rp_stage" && umask 0 && LC_ALL=C $_rp_tar -xpf -
    _rp_status=$?
    cat >/dev/null
    exit $_rp_status
  )
  _rp_status=$?
  (
    cd "$_rp_stage" || exit
    rp_lock
    if [ $_rp_status = 0 ] && [ -f .runpod-ssh-names ]; then
      xargs -0 sha256sum -- <.runpod-ssh-names | rp_sums | rp_text sums
      rm -f .runpod-ssh-names
      rp_end ok
    else
      rp_end failed
    fi
    rp_unlock
  ) &
}
rp_input() {
  if [ -n "$2" ]; then
    dd bs=4096 count="$2" iflag=fullblock,count_bytes | base64 -d
  else
    dd bs=262144 count="$1" iflag=fullblock,count_bytes
  fi
}
# sha256sum puts a backslash before the line of a name with a newline or a backslash in it.
rp_sums() {
  sed 's/^\\//' | cut -c 1-64
}

# rp_settle_tree STAGE ROOT: moves what was unpacked into its place, file by file, as the text of the call says
# (settle-tree.sh).
rp_settle_tree() {
  rp_decode "$1"
  _rp_stage=$_rp_decoded.part
  rp_decode "$2"
  _rp_failed=failed
  if mkdir -p "$_rp_decoded" && cd "$_rp_decoded"; then
    _rp_failed=$(printf '%b' "$_rp_text" | xargs -0 sh -c "$_rp_program_settle_tree" sh "$_rp_stage")
  fi
  rm -rf "$_rp_stage"
  rp_lock
  printf %s "$_rp_failed" | rp_text failed
  rp_end "${_rp_failed:+failed}"
  rp_unlock
}

# rp_get_many ROOT TOTAL: the files named in the text of the call, NUL behind each, one after the other in one
# frame of TOTAL bytes, then the SHA-256 of each. Should one change its length meanwhile, the frame keeps its
# own, and the hashes tell.
rp_get_many() {
  rp_decode "$1"
  cd "$_rp_decoded" || return
  rp_lock
  if [ "$2" != 0 ]; then
    if [ "$_rp_encoding" = raw ]; then
      printf '@%s %s d %s 0\n' "$_rp_nonce" "$_rp_call" "$2"
      rp_one_after_another | rp_range /dev/stdin 0 "$2"
      echo
    else
      printf '@%s %s d b 0\n' "$_rp_nonce" "$_rp_call"
      rp_one_after_another | rp_range /dev/stdin 0 "$2" | base64
      echo .
    fi
  fi
  printf '%b' "$_rp_text" | xargs -0 sha256sum -- | rp_sums | rp_text sums
  rp_end ok
  rp_unlock
}

# rp_hash_many ROOT: the SHA-256 of the files named in the text of the call.
rp_hash_many() {
  rp_decode "$1"
  cd "$_rp_decoded" || return
  rp_lock
  printf '%b' "$_rp_text" | xargs -0 sha256sum -- | rp_sums | rp_text sums
  rp_end ok
  rp_unlock
}
rp_one_after_another() {
  printf '%b' "$_rp_text" | xargs -0 cat --
  cat /dev/zero
}

# rp_glob PATTERN: the paths that a pattern matches, NUL behind each; the path itself if it is there.
rp_glob() {
  rp_decode "$1"
  rp_lock
  if [ -e "$_rp_decoded" ]; then
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
