# shellcheck shell=sh
# shellcheck disable=SC2154 # what session.sh sets
# Files to and from the pod, by blocks and by trees. Loaded into a session (session.sh) when it is first needed.
#
# A file on its way lies beside its target as .runpod-ssh-TARGET-SOURCE.part, and .runpod-ssh-TARGET-SOURCE.done
# lists the blocks of it that have arrived: offset, length, SHA-256.

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

# rp_range FILE FROM COUNT
rp_range() {
  dd if="$1" bs=65536 skip="$2" count="$3" iflag=skip_bytes,count_bytes,fullblock
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

# rp_clear_old PART: removes what earlier tries to bring other versions of a file to the same place have left.
rp_clear_old() {
  (
    set +f
    for _rp_file in "${1%-*}"-*; do
      case $_rp_file in
      "$1.part" | "$1.done") ;;
      *.part | *.done)
        # One with numbers is being written by that process (rp_write), or was.
        _rp_pid=${_rp_file##*/}
        _rp_pid=${_rp_pid#.*.}
        case $_rp_pid in
        *.*.part) [ -e "/proc/${_rp_pid%%.*}" ] || rm -f "$_rp_file" ;;
        *) rm -f "$_rp_file" ;;
        esac
        ;;
      esac
    done
  )
}

# rp_open PART SIZE: makes the temporary file with its full length, or says which blocks are in it. What the
# list names is hashed again: it counts only if it is so. Answers the inode, by which rp_place knows the file again,
# and the kilobytes free.
rp_open() {
  rp_decode "$1"
  _rp_part=$_rp_decoded
  _rp_said=$(mkdir -p "${_rp_part%/*}" 2>&1)
  rp_clear_old "$_rp_part"
  _rp_done=
  if [ ! -L "$_rp_part.part" ] && [ -f "$_rp_part.part" ] && [ -f "$_rp_part.done" ] &&
    [ "$(stat -c %s "$_rp_part.part")" = "$2" ]; then
    _rp_done=$(rp_verify_blocks)
  else
    rm -rf "$_rp_part.part" "$_rp_part.done"
    if ! _rp_said=$(
      umask 077
      LC_ALL=C dd if=/dev/null of="$_rp_part.part" bs=1 seek="$2" 2>&1
    ); then
      rm -f "$_rp_part.part"
      rp_why "$_rp_said"
      rp_say . failed $_rp_why
      _rp_ended=1
      return
    fi
  fi
  rp_free "${_rp_part%/*}"
  rp_lock
  printf '%s\n' "$_rp_done" | rp_text blocks
  rp_end ok "$(stat -c %i "$_rp_part.part")" "$_rp_free"
  rp_unlock
}
rp_verify_blocks() {
  sort -u "$_rp_part.done" | while read -r _rp_from _rp_count _rp_sum; do
    _rp_now=$(rp_range "$_rp_part.part" "$_rp_from" "$_rp_count" | rp_digest)
    [ "${_rp_now%% *}" != "$_rp_sum" ] || echo "$_rp_from $_rp_count $_rp_sum"
  done
}

# rp_put PART FROM COUNT [sparse]: the next COUNT bytes of this session's input, into PART; zeros as a hole, if PART
# has nothing else there yet. To be run in the session's own shell, whose input they come on; what is written is read
# again for its hash meanwhile.
rp_put() {
  rp_decode "$1"
  _rp_conv=notrunc
  if [ "$4" = sparse ]; then
    [ -n "$_rp_sparse" ] || _rp_sparse=$(dd if=/dev/null of=/dev/null conv=sparse && echo ,sparse)
    _rp_conv=notrunc$_rp_sparse
  fi
  if _rp_said=$(
    LC_ALL=C dd bs=65536 count="$3" iflag=fullblock,count_bytes \
      of="$_rp_decoded.part" seek="$2" oflag=seek_bytes conv="$_rp_conv" 2>&1
  ); then
    (rp_put_done "$_rp_decoded" "$2" "$3") &
  else
    # How much of the block is still to come can't be known, so this session is over.
    rp_why "$_rp_said"
    rp_say . failed $_rp_why
    exit
  fi
}
_rp_sparse=
# rp_put_text PART FROM COUNT ENCODED: the same from ENCODED bytes of base64.
rp_put_text() {
  rp_decode "$1"
  if _rp_said=$(
    rp_input "$3" "$4" | (
      LC_ALL=C dd bs=65536 of="$_rp_decoded.part" seek="$2" oflag=seek_bytes conv=notrunc iflag=fullblock 2>&1
      _rp_status=$?
      cat >/dev/null
      exit $_rp_status
    )
  ); then
    (rp_put_done "$_rp_decoded" "$2" "$3") &
  else
    rp_why "$_rp_said"
    rp_say . failed $_rp_why
  fi
}
rp_put_done() {
  _rp_sum=$(rp_range "$1.part" "$2" "$3" | rp_digest)
  _rp_sum=${_rp_sum%% *}
  echo "$2 $3 $_rp_sum" >>"$1.done"
  rp_say . ok "$_rp_sum"
}
# rp_has_block PART FROM COUNT: the hash of what is there, as if it had been put.
rp_has_block() {
  rp_decode "$1"
  rp_put_done "$_rp_decoded" "$2" "$3"
  _rp_ended=1
}

# rp_check_way COUNT: hashes the next COUNT bytes of the input: whether every byte comes through.
rp_check_way() {
  _rp_sum=$(dd bs=4096 count="$1" iflag=fullblock,count_bytes | rp_digest)
  rp_say . "${_rp_sum%% *}"
}

# rp_write PART TARGET SIZE MODE TIME SUM: the text of the call, in base64, becomes TARGET if it has that SHA-256; for
# small files.
rp_write() {
  rp_decode "$1"
  mkdir -p "${_rp_decoded%/*}"
  rp_clear_old "$_rp_decoded"
  # A name of its own: what another call writes meanwhile must not be mixed with it.
  _rp_part=$_rp_decoded.$_rp_self.$_rp_call
  rp_decode "$2"
  _rp_answer=
  if _rp_said=$(
    umask 077
    exec 2>&1
    printf %s "$_rp_text" | LC_ALL=C base64 -d >"$_rp_part.part"
  ); then
    _rp_sum=$(rp_digest <"$_rp_part.part")
    [ "${_rp_sum%% *}" = "$6" ] || _rp_answer=garbled
  else
    _rp_answer=failed
  fi
  [ -n "$_rp_answer" ] || rp_put_in_place "$4" "$5"
  rm -f "$_rp_part.part"
  rp_why "$_rp_said"
  rp_say . "${_rp_answer:-ok}" $_rp_why
  _rp_ended=1
}

# rp_place PART TARGET SIZE MODE TIME INODE [over]: the temporary file takes its target's place; with over that of a
# folder too. PART counts only if it is the file that was opened: another call may have put that one in its place.
rp_place() {
  rp_decode "$1"
  _rp_part=$_rp_decoded
  rp_decode "$2"
  _rp_answer=
  _rp_said=
  if [ "$(stat -c '%s %i' "$_rp_part.part")" = "$3 $6" ]; then
    if [ "$7" = over ] && [ -d "$_rp_decoded" ]; then
      if [ -L "$_rp_decoded" ]; then rm -f "$_rp_decoded"; else rm -rf "$_rp_decoded"; fi
    fi
    rp_put_in_place "$4" "$5"
  elif [ "$(stat -c '%s %i' "$_rp_decoded")" != "$3 $6" ]; then
    _rp_answer=gone
  fi
  [ -n "$_rp_answer" ] || rm -f "$_rp_part.part" "$_rp_part.done"
  rp_why "$_rp_said"
  rp_say . "${_rp_answer:-ok}" $_rp_why
  _rp_ended=1
}
rp_put_in_place() {
  if [ -d "$_rp_decoded" ]; then
    _rp_answer=directory
  else
    chmod "$1" "$_rp_part.part"
    touch -d "@$2" "$_rp_part.part" || touch -d "@${2%%.*}" "$_rp_part.part"
    _rp_said=$(LC_ALL=C mv -f "$_rp_part.part" "$_rp_decoded" 2>&1) || _rp_answer=failed
  fi
}

# rp_discard PART: gives a temporary file up.
rp_discard() {
  rp_decode "$1"
  rm -rf "$_rp_decoded.part" "$_rp_decoded.done"
}

# rp_get FILE FROM COUNT [sparse]: COUNT bytes of FILE as one frame, then their hash, which is computed meanwhile; of
# nothing but zeros only the word.
rp_get() {
  rp_decode "$1"
  _rp_now=$(stat -L -c %s "$_rp_decoded")
  if [ ! -r "$_rp_decoded" ] || [ "${_rp_now:-0}" -lt $(($2 + $3)) ]; then
    rp_say . changed
  elif [ "$4" = sparse ] &&
    [ "$(rp_range "$_rp_decoded" "$2" "$3" | tr -d '\000' | head -c 1 | wc -c)" -eq 0 ]; then
    rp_say . zeros
  else
    rp_send "$2" "$3"
  fi
  _rp_ended=1
}
rp_send() {
  rp_lock
  if [ "$_rp_encoding" = raw ]; then
    rp_header d "$2" "$1"
    {
      _rp_sum=$(
        rp_range "$_rp_decoded" "$1" "$2" >&6 &
        rp_range "$_rp_decoded" "$1" "$2" | rp_digest
        wait
      )
    } 6>&1
    echo
  else
    rp_header d b "$1"
    rp_range "$_rp_decoded" "$1" "$2" | base64
    echo .
    _rp_sum=$(rp_range "$_rp_decoded" "$1" "$2" | rp_digest)
  fi
  rp_end ok "${_rp_sum%% *}"
  rp_unlock
}

# rp_gathered TYPE TEXT: TEXT, which is base64, as the payload of a frame. Text that takes long to come about is
# gathered before the lock is taken, so that nobody waits for it.
rp_gathered() {
  rp_header "$1" b
  printf '%s\n.\n' "$2" | cat
}

# rp_list_tree ROOT [deep]: what is in the folders below ROOT that the text of the call names (./a/b, NUL behind each),
# or all that is below ROOT: each as kind size time mode name NUL target NUL.
rp_list_tree() {
  rp_decode "$1"
  if cd "$_rp_decoded"; then
    _rp_pack='cat'
    if rp_has gzip; then _rp_pack='gzip -1'; fi
    # shellcheck disable=SC2016 # for the inner shell
    if [ -n "$_rp_gnu" ]; then
      _rp_find='exec find "$@" -printf "%y %s %T@ %m %p\\0%l\\0"'
    else
      _rp_find='exec find "$@" -exec sh -c "$_rp_program_describe_names" sh {} +'
      export _rp_program_describe_names
    fi
    _rp_list=$(
      if [ "$2" = deep ]; then
        sh -c "$_rp_find" sh .
      else
        printf '%b' "$_rp_text" | xargs -0 -r sh -c "set -- \"\$@\" -mindepth 1 -maxdepth 1; $_rp_find" sh
      fi | $_rp_pack | base64
    )
    rp_lock
    rp_gathered list "$_rp_list"
    rp_end ok "${_rp_pack%% *}"
    rp_unlock
  else
    rp_say . none
    _rp_ended=1
  fi
}

# rp_unpack STAGE COUNT [ENCODED]: the next COUNT bytes of the input (or ENCODED bytes of base64) are a tar archive,
# unpacked into STAGE.part; then the SHA-256 of the files that its last one, $_rp_names, names.
_rp_names=.runpod-ssh-000000000000-names.part
rp_unpack() {
  rp_decode "$1"
  _rp_stage=$_rp_decoded.part
  mkdir -p "${_rp_stage%/*}"
  rm -rf "$_rp_stage"
  (umask 077 && mkdir "$_rp_stage")
  if _rp_said=$(
    rp_input "$2" "$3" | (
      # The stage is closed to others. busybox takes modes from the umask, whatever -p says, unless it is root.
      cd "$_rp_stage" && umask 0 && LC_ALL=C $_rp_tar -xpf - 2>&1 >/dev/null
      _rp_status=$?
      cat >/dev/null
      exit $_rp_status
    )
  ); then
    (
      cd "$_rp_stage" || exit
      _rp_sums=$(rp_sums <"$_rp_names")
      rm -f "$_rp_names"
      rp_lock
      rp_gathered sums "$_rp_sums"
      rp_end ok
      rp_unlock
    ) &
  else
    rm -rf "$_rp_stage"
    rp_why "$_rp_said"
    rp_say . failed $_rp_why
  fi
}
rp_input() {
  if [ -n "$2" ]; then
    dd bs=4096 count="$2" iflag=fullblock,count_bytes | base64 -d
  else
    dd bs=65536 count="$1" iflag=fullblock,count_bytes
  fi
}
# The SHA-256 of the files that the input names, in base64. sha256sum puts a backslash before the line of a name with
# a newline or a backslash in it; that of busybox lets the name go on in the next line.
rp_sums() {
  xargs -0 -r sha256sum -- | sed -n 's/^\\\{0,1\}\([0-9a-f]\{64\}\)  .*/\1/p' | base64
}
# rp_sweep ROOT KEY: removes the stages in ROOT whose sessions are gone. They are called KEY-PID-STARTED-….part.
rp_sweep() {
  rp_decode "$1"
  (
    set +f
    for _rp_stage in "$_rp_decoded/$2"-*-*-*.part; do
      _rp_pid=${_rp_stage##*/"$2"-}
      _rp_rest=${_rp_pid#*-}
      _rp_pid=${_rp_pid%%-*}
      if ! rp_process "$_rp_pid" || [ "$_rp_started" != "${_rp_rest%%-*}" ]; then rm -rf "$_rp_stage"; fi
    done
  ) &
}

# rp_settle_tree ROOT [STAGE]: does in ROOT what the text of the call says (settle-tree.sh), with what was unpacked in
# STAGE, and answers what failed.
rp_settle_tree() {
  rp_decode "$1"
  _rp_root=$_rp_decoded
  rp_decode "$2"
  _rp_stage=$_rp_decoded
  if [ -n "$_rp_stage" ] && [ ! -d "$_rp_stage.part" ]; then
    rp_say . gone
    _rp_ended=1
    return
  fi
  _rp_failed=.
  if mkdir -p "$_rp_root" && cd "$_rp_root"; then
    _rp_failed=$(
      printf '%b' "$_rp_text" | xargs -0 sh -c "$_rp_program_settle_tree" sh "$_rp_stage.part"
    )
  fi
  [ -z "$_rp_stage" ] || rm -rf "$_rp_stage.part"
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
  if [ "$2" != 0 ]; then
    rp_lock
    if [ "$_rp_encoding" = raw ]; then
      rp_header d "$2" 0
      rp_one_after_another | rp_range /dev/stdin 0 "$2"
      echo
    else
      rp_header d b 0
      rp_one_after_another | rp_range /dev/stdin 0 "$2" | base64
      echo .
    fi
    rp_unlock
  fi
  rp_hashes
}
rp_one_after_another() {
  printf '%b' "$_rp_text" | xargs -0 cat --
  cat /dev/zero
}

# rp_hash_many ROOT: the SHA-256 of the files named in the text of the call.
rp_hash_many() {
  rp_decode "$1"
  cd "$_rp_decoded" || return
  rp_hashes
}
rp_hashes() {
  _rp_sums=$(printf '%b' "$_rp_text" | rp_sums)
  rp_lock
  rp_gathered sums "$_rp_sums"
  rp_end ok
  rp_unlock
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
