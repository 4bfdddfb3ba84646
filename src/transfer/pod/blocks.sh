# shellcheck shell=sh
# shellcheck disable=SC2154 # what session.sh and places.sh set
# One file to and from the pod, by blocks. Loaded after places.sh.
#
# A file on its way is in a folder beside its target, BASE-TOKEN.part: in it bytes, as long as the file will be, and
# done, which lists the blocks of it that have come: offset, length, SHA-256. BASE (.runpod-ssh-TARGET-SOURCE) is the
# same for the same file in the same state, TOKEN is one upload's own. Whoever sends the file next takes the folder
# over by giving it another name, whether or not that upload is over: what it still sends has no place to go then.

# rp_clear BASE [PART]: removes what earlier uploads to the same place have left, but for that of the same file which
# has come furthest: that becomes PART.
rp_clear() {
  (
    set +f
    _rp_most=-1
    if [ -n "$2" ] && [ -d "$2" ]; then _rp_most=$(rp_listed "$2"); fi
    for _rp_file in "${1%-*}"-*.part; do
      # In /tmp others may put something in our way.
      if [ -k "${1%/*}/" ] && [ ! -O "$_rp_file" ]; then continue; fi
      if [ -L "$_rp_file" ] || [ "$_rp_file" = "$2" ]; then continue; fi
      if [ ! -d "$_rp_file" ]; then
        # BASE-PID-STARTED-CALL, of rp_write.
        _rp_name=${_rp_file#"${1%-*}"-*-}
        _rp_rest=${_rp_name#*-}
        rp_alive "${_rp_name%%-*}" "${_rp_rest%%-*}" || rm -f "$_rp_file"
        continue
      fi
      case ${2:+"$_rp_file"} in
      *-gone.part) ;;
      "$1"-*)
        _rp_bytes=$(rp_listed "$_rp_file")
        if [ "$_rp_bytes" -gt "$_rp_most" ]; then
          rp_remove "$2"
          _rp_most=$_rp_bytes
          mv "$_rp_file" "$2"
          rp_end_writers "$2/bytes"
          continue
        fi
        ;;
      esac
      rp_remove "$_rp_file"
    done
  )
}
# rp_remove PART: under another name first, so that nobody puts something new into it meanwhile.
rp_remove() {
  case $1 in
  *-gone.part) rm -rf "$1" ;;
  *) ! mv "$1" "${1%.part}-gone.part" || rm -rf "${1%.part}-gone.part" ;;
  esac
}
# rp_end_writers FILE: ends those that still have it for their output: what they hold would come later. To be called
# with names of files expanded.
rp_end_writers() {
  for _rp_file in /proc/[0-9]*/fd/1; do
    # shellcheck disable=SC3013 # bash, dash and busybox have it
    if [ "$_rp_file" -ef "$1" ]; then
      _rp_pid=${_rp_file#/proc/}
      kill -s KILL "${_rp_pid%%/*}"
    fi
  done
}
# rp_listed PART: how long its list is.
rp_listed() {
  stat -c %s "$1/done" || echo 0
}

# rp_open BASE PART SIZE [fresh]: makes the temporary file with its full length, or says which blocks an earlier upload
# has left, with their hashes as they are now: the client sees whether they are right. With fresh nothing is taken from
# others. Answers the inode, by which rp_place knows the file again, and the kilobytes free.
rp_open() {
  rp_decode "$2"
  _rp_part=$_rp_decoded.part
  rp_decode "$1"
  _rp_said=$(LC_ALL=C mkdir -p "${_rp_decoded%/*}" 2>&1)
  [ "$4" = fresh ] || rp_clear "$_rp_decoded" "$_rp_part"
  _rp_listed=
  if [ ! -L "$_rp_part" ] && [ ! -L "$_rp_part/bytes" ] && [ "$(stat -c %s "$_rp_part/bytes")" = "$3" ]; then
    _rp_listed=$(cut -d ' ' -f 1,2 "$_rp_part/done" | sort -u | rp_hash_ranges "$_rp_part/bytes")
  else
    rm -rf "$_rp_part"
    if ! _rp_said=$(umask 077 && LC_ALL=C mkdir "$_rp_part" 2>&1); then
      rp_why "$_rp_said"
      rp_say . failed "$_rp_why"
      return
    fi
    if ! _rp_said=$(LC_ALL=C dd if=/dev/null of="$_rp_part/bytes" bs=1 seek="$3" 2>&1); then
      rp_put_failed "${_rp_part%.part}"
      rm -rf "$_rp_part"
      return
    fi
  fi
  rp_free "${_rp_part%/*}"
  rp_lock
  printf '%s\n' "$_rp_listed" | rp_text blocks
  rp_end ok "$(stat -c %i "$_rp_part/bytes")" "$_rp_free"
  rp_unlock
}
# rp_hash_ranges FILE: of the ranges that the input names (offset, length) also the SHA-256, as it is now.
rp_hash_ranges() {
  while read -r _rp_from _rp_count; do
    _rp_sum=$(rp_range "$1" "$_rp_from" "$_rp_count" | rp_digest)
    echo "$_rp_from $_rp_count ${_rp_sum%% *}"
  done
}
# rp_hash_blocks FILE: the same for the ranges in the text of the call.
rp_hash_blocks() {
  rp_decode "$1"
  _rp_listed=$(printf '%b' "$_rp_text" | rp_hash_ranges "$_rp_decoded")
  rp_lock
  printf '%s\n' "$_rp_listed" | rp_text blocks
  rp_end ok
  rp_unlock
}

# rp_put PART FROM COUNT HOLES: the next COUNT bytes of this session's input, into PART; with HOLES sparse zeros as a
# hole, if PART has nothing else there yet. To be run in the session's own shell, whose input they come on; what is
# written is read again for its hash meanwhile.
rp_put() {
  rp_decode "$1"
  rp_set_conv "$4"
  if _rp_said=$(
    LC_ALL=C dd bs=65536 count="$3" iflag=fullblock,count_bytes \
      of="$_rp_decoded.part/bytes" seek="$2" oflag=seek_bytes conv="$_rp_conv" 2>&1
  ); then
    (rp_put_done "$_rp_decoded" "$2" "$3") &
  else
    # How much of the block is still to come can't be known, so this session is over.
    rp_put_failed "$_rp_decoded"
    exit
  fi
}
# rp_set_conv HOLES: sets what dd is to do, _rp_conv. Not every dd can make holes.
rp_set_conv() {
  _rp_conv=notrunc
  if [ "$1" = sparse ]; then
    [ -n "$_rp_sparse" ] || _rp_sparse=$(dd if=/dev/null of=/dev/null conv=sparse && echo ,sparse)
    _rp_conv=notrunc$_rp_sparse
  fi
}
_rp_sparse=
# rp_put_coded PART FROM COUNT HOLES CODE BYTES [ENCODED]: the same from BYTES bytes which are COUNT ones packed by gzip,
# if CODE is gzip, and which come as ENCODED bytes of base64, if that is given.
rp_put_coded() {
  rp_decode "$1"
  rp_set_conv "$4"
  if _rp_said=$(rp_coded_input "$5" "$6" "$7" | rp_write_block "$2" "$3"); then
    (rp_put_done "$_rp_decoded" "$2" "$3") &
  else
    rp_put_failed "$_rp_decoded"
  fi
}
# Reads on when nothing can be written: what isn't read would be taken for the next call.
rp_write_block() {
  # No more than COUNT: what was garbled can be of any length when it is unpacked.
  LC_ALL=C dd bs=65536 count="$2" iflag=fullblock,count_bytes \
    of="$_rp_decoded.part/bytes" seek="$1" oflag=seek_bytes conv="$_rp_conv" 2>&1
  _rp_status=$?
  cat >/dev/null
  return $_rp_status
}
rp_put_done() {
  _rp_sum=$(rp_range "$1.part/bytes" "$2" "$3" | rp_digest)
  _rp_sum=${_rp_sum%% *}
  echo "$2 $3 $_rp_sum" >>"$1.part/done"
  # As a sign that it goes on, for whoever removes what is old.
  touch -c "$1.part"
  if [ -e "$1.part" ]; then rp_say . ok "$_rp_sum"; else rp_put_failed "$1"; fi
}
# rp_put_failed PART: says why; gone, if somebody has taken it over or away.
rp_put_failed() {
  rp_why "$_rp_said"
  [ -e "$1.part" ] || _rp_why=gone
  rp_say . failed "$_rp_why"
}
# rp_has_block PART FROM COUNT: the hash of what is there, as if it had been put.
rp_has_block() {
  rp_decode "$1"
  rp_put_done "$_rp_decoded" "$2" "$3"
}

# rp_check_way COUNT: hashes the next COUNT bytes of the input: whether every byte comes through.
rp_check_way() {
  _rp_sum=$(dd bs=4096 count="$1" iflag=fullblock,count_bytes | rp_digest)
  rp_say . "${_rp_sum%% *}"
}

# rp_write BASE TARGET SIZE MODE TIME SUM: the text of the call, in base64, becomes TARGET if it has that SHA-256; for
# small files.
rp_write() {
  rp_decode "$1"
  mkdir -p "${_rp_decoded%/*}"
  rp_clear "$_rp_decoded"
  rp_process "$_rp_self"
  _rp_part=$_rp_decoded-$_rp_self-$_rp_started-$_rp_call.part
  rp_decode "$2"
  _rp_answer=
  if _rp_said=$(
    umask 077
    exec 2>&1
    printf %s "$_rp_text" | LC_ALL=C base64 -d >"$_rp_part"
  ); then
    _rp_sum=$(rp_digest <"$_rp_part")
    [ "${_rp_sum%% *}" = "$6" ] || _rp_answer=garbled
  else
    _rp_answer=failed
  fi
  [ -n "$_rp_answer" ] || rp_put_in_place "$_rp_part" "$4" "$5"
  rm -f "$_rp_part"
  rp_why "$_rp_said"
  rp_say . "${_rp_answer:-ok}" "$_rp_why"
}

# rp_place PART TARGET SIZE MODE TIME INODE [over]: the temporary file takes its target's place; with over that of a
# folder too. When the call is made once more, that has been done: TARGET is that file then.
rp_place() {
  rp_decode "$1"
  _rp_part=$_rp_decoded.part
  rp_decode "$2"
  _rp_answer=
  _rp_said=
  if [ "$(stat -c '%s %i' "$_rp_part/bytes")" = "$3 $6" ]; then
    if [ "$7" = over ] && [ -d "$_rp_decoded" ]; then
      if [ -L "$_rp_decoded" ]; then rm -f "$_rp_decoded"; else rm -rf "$_rp_decoded"; fi
    fi
    rp_put_in_place "$_rp_part/bytes" "$4" "$5"
  elif [ "$(stat -c '%s %i %Y' "$_rp_decoded")" != "$3 $6 ${5%%.*}" ]; then
    _rp_answer=gone
  fi
  # Taken over at the last moment.
  [ "$_rp_answer" != failed ] || [ -e "$_rp_part/bytes" ] || _rp_answer=gone
  [ -n "$_rp_answer" ] || rm -rf "$_rp_part"
  rp_why "$_rp_said"
  rp_say . "${_rp_answer:-ok}" "$_rp_why"
}
# rp_put_in_place FILE MODE TIME: FILE becomes _rp_decoded.
rp_put_in_place() {
  if [ -d "$_rp_decoded" ]; then
    _rp_answer=directory
  else
    chmod "$2" "$1"
    touch -d "@$3" "$1" || touch -d "@${3%%.*}" "$1"
    _rp_said=$(LC_ALL=C mv -f "$1" "$_rp_decoded" 2>&1) || _rp_answer=failed
  fi
}

# rp_discard PART: gives a temporary file or folder up.
rp_discard() {
  rp_decode "$1"
  rp_remove "$_rp_decoded.part"
}

# rp_get FILE FROM COUNT [sparse|-] [packed]: COUNT bytes of FILE as one frame, then their hash, which is computed
# meanwhile; of nothing but zeros only the word. With packed they come as a frame of the type z, packed, if that makes
# them much fewer.
rp_get() {
  rp_decode "$1"
  _rp_now=$(stat -L -c %s "$_rp_decoded")
  if [ ! -r "$_rp_decoded" ] || [ "${_rp_now:-0}" -lt $(($2 + $3)) ]; then
    rp_say . changed
  elif [ "$4" = sparse ] &&
    [ "$(rp_range "$_rp_decoded" "$2" "$3" | tr -d '\000' | head -c 1 | wc -c)" -eq 0 ]; then
    rp_say . zeros
  elif [ "$5" = packed ] && rp_range "$_rp_decoded" "$2" 65536 | rp_packs; then
    rp_lock
    rp_range "$_rp_decoded" "$2" "$3" | gzip -1 | rp_text z
    _rp_sum=$(rp_range "$_rp_decoded" "$2" "$3" | rp_digest)
    rp_end ok "${_rp_sum%% *}"
    rp_unlock
  else
    rp_send "$2" "$3"
  fi
}
rp_send() {
  rp_lock
  if [ "$_rp_encoding" = raw ]; then
    rp_header d "$2" "$1"
    {
      _rp_sum=$(
        rp_range_exactly "$_rp_decoded" "$1" "$2" >&6 &
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
# rp_range_exactly FILE FROM COUNT: COUNT bytes in any case, since so many have been announced: with zeros for those
# that somebody has cut off the file meanwhile. dd says in its last line how many it was.
rp_range_exactly() {
  { _rp_said=$(rp_range "$@" 2>&1 >&8); } 8>&1
  _rp_said=${_rp_said##*"
"}
  _rp_said=${_rp_said%% *}
  case $_rp_said in
  '' | *[!0-9]*) ;;
  *) [ "$_rp_said" -ge "$3" ] || head -c $(($3 - _rp_said)) /dev/zero ;;
  esac
}
