# shellcheck shell=sh
# shellcheck disable=SC2154 # what session.sh and places.sh set
# Trees to and from the pod, as archives and one file behind the other. Loaded after blocks.sh.

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
  fi
}

# rp_unpack STAGE CODE BYTES [ENCODED]: the next BYTES bytes of the input (or ENCODED bytes of base64) are a tar archive,
# packed if CODE is gzip, which is unpacked into STAGE.part; then the SHA-256 of the files that its last one,
# $_rp_names, names.
_rp_names=.runpod-ssh-000000000000-names.part
rp_unpack() {
  rp_decode "$1"
  rp_make_stage
  if _rp_said=$(rp_coded_input "$2" "$3" "$4" | rp_untar); then
    (
      if ! cd "$_rp_stage"; then
        rp_say . failed garbled
        exit
      fi
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
    # Words about the archive itself, of GNU tar and of busybox: it was garbled on its way.
    case $_rp_why$_rp_said in
    other*' EOF'* | other*'tar archive'* | other*'rchive contains'*) _rp_why=garbled ;;
    other*'short read'* | other*'tar magic'* | other*'checksum'* | other*'corrupted'*) _rp_why=garbled ;;
    esac
    rp_say . failed "$_rp_why"
  fi
}
# rp_make_stage: an empty folder for $_rp_decoded, closed to others; sets _rp_stage.
rp_make_stage() {
  _rp_stage=$_rp_decoded.part
  mkdir -p "${_rp_stage%/*}"
  rm -rf "$_rp_stage"
  (umask 077 && mkdir "$_rp_stage")
}
# The input, a tar archive, into the stage; says what tar says of it, and reads all of it whatever happens.
rp_untar() {
  (
    # busybox takes modes from the umask, whatever -p says, unless it is root.
    # shellcheck disable=SC2069 # of tar its words only
    cd "$_rp_stage" && umask 0 && LC_ALL=C $_rp_tar -xpf - 2>&1 >/dev/null
    _rp_status=$?
    cat >/dev/null
    exit $_rp_status
  )
}
# rp_put_tree ROOT KEY: the text of the call, in base64, is such an archive, which has with it what the hashes have
# to be ($_rp_expected) and what is to be done with it in ROOT ($_rp_last, see settle-tree.sh): a small tree in one
# round trip.
_rp_expected=.runpod-ssh-000000000000-sums.part
_rp_last=.runpod-ssh-000000000000-last.part
rp_put_tree() {
  rp_decode "$2"
  rp_process "$_rp_self"
  # A name of this call alone: one that was lost may still be at its own.
  _rp_decoded=$_rp_decoded-$_rp_self-$_rp_started-$_rp_call
  rp_make_stage
  if ! _rp_said=$(printf %s "$_rp_text" | base64 -d | rp_untar); then
    rm -rf "$_rp_stage"
    rp_why "$_rp_said"
    rp_say . failed "$_rp_why"
    return
  fi
  _rp_sums=$(cd "$_rp_stage" && rp_sums <"$_rp_names" | base64 -d)
  if [ "$_rp_sums" != "$(cat "$_rp_stage/$_rp_expected")" ] || [ ! -r "$_rp_stage/$_rp_last" ]; then
    rm -rf "$_rp_stage"
    rp_say . garbled
    return
  fi
  exec 7<"$_rp_stage/$_rp_last"
  (cd "$_rp_stage" && exec rm -f "$_rp_names" "$_rp_expected" "$_rp_last")
  rp_decode "$1"
  _rp_failed=$(rp_settle_in "$_rp_decoded" <&7)
  rp_end_settling
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
      rp_alive "$_rp_pid" "${_rp_rest%%-*}" || rm -rf "$_rp_stage"
    done
  ) &
}

# rp_settle_tree ROOT [STAGE]: does in ROOT what the text of the call says (settle-tree.sh), with what was unpacked in
# STAGE, and answers what failed.
rp_settle_tree() {
  rp_decode "$2"
  _rp_stage=${_rp_decoded:+$_rp_decoded.part}
  if [ -n "$_rp_stage" ] && [ ! -d "$_rp_stage" ]; then
    rp_say . gone
    return
  fi
  rp_decode "$1"
  _rp_failed=$(printf '%b' "$_rp_text" | rp_settle_in "$_rp_decoded")
  rp_end_settling
}
rp_settle_in() {
  if mkdir -p "$1" && cd "$1"; then
    xargs -0 sh -c "$_rp_program_settle_tree" sh "$_rp_stage" || echo .
  else
    echo .
  fi
}
rp_end_settling() {
  [ -z "$_rp_stage" ] || rm -rf "$_rp_stage"
  rp_lock
  printf %s "$_rp_failed" | rp_text failed
  if [ -n "$_rp_failed" ]; then rp_end failed; else rp_end ok; fi
  rp_unlock
}

# rp_get_many ROOT TOTAL [gathered|packed]: the files named in the text of the call, NUL behind each, one after the other in
# one frame of TOTAL bytes, then the SHA-256 of each. Should one change its length meanwhile, the frame keeps its
# own, and the hashes tell. With gathered nobody else waits for a slow disk meanwhile; with packed it is a frame of the
# type z, packed, if that makes it much smaller.
rp_get_many() {
  rp_decode "$1"
  cd "$_rp_decoded" || return
  if [ "$3" = gathered ]; then
    _rp_all=$(rp_one_after_another | rp_range /dev/stdin 0 "$2" | base64)
    rp_lock
    rp_gathered d "$_rp_all"
    rp_unlock
  elif [ "$3" = packed ] && rp_one_after_another | head -c 65536 | rp_packs; then
    rp_lock
    rp_one_after_another | rp_range /dev/stdin 0 "$2" | gzip -1 | rp_text z
    rp_unlock
  elif [ "$2" != 0 ]; then
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
