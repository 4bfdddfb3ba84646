# shellcheck shell=sh
# shellcheck disable=SC2154 # what session.sh sets
# Commands as jobs: started once, under a name, with a directory that holds the command, its output and its
# exit code; followed by whoever asks. Loaded into a session (session.sh).
#
# A job's directory: command, out, err, pid (process group, supervisor, its start time, container) and exit_code
# (blank until the end). Started and ended are the times of command and exit_code.

# Called once, when the session has its environment.
rp_settle() {
  _rp_disk=$HOME/.runpod-ssh/jobs
  # Where a job goes when the disk takes nothing more: memory.
  _rp_memory=/dev/shm/runpod-ssh-$(id -u)/jobs
  _rp_made=0
  _rp_batch=8
  rp_identify_container
  _rp_shell='sh'
  if rp_has bash; then _rp_shell=bash; fi
  _rp_setsid=
  if rp_has setsid; then _rp_setsid=setsid; fi
  # dash and busybox sh start what runs in the background with INT and QUIT ignored (POSIX 2.11), and what is
  # ignored at a program's start stays so: python would never see a KeyboardInterrupt.
  if [ -z "${BASH_VERSION-}" ] && env --default-signal=INT,QUIT true; then
    _rp_setsid="env --default-signal=INT,QUIT $_rp_setsid"
  fi
  # What python prints should be seen when it is printed.
  export PYTHONUNBUFFERED=1
}
rp_describe() {
  echo "container $_rp_container"
  echo "disk $_rp_disk"
  echo "memory $_rp_memory"
}

# The container's identity: the machine's boot and the start of the container's first process.
rp_identify_container() {
  _rp_container=
  read -r _rp_container </proc/sys/kernel/random/boot_id
  rp_process 1
  _rp_container=$_rp_container/$_rp_started
  while read -r _rp_key _rp_line; do
    [ "$_rp_key" != btime ] || _rp_container_since=$((_rp_line + _rp_started / 100))
  done </proc/stat
}

# rp_prepare SESSION: makes the directories of the next commands, before they come. A command that finds
# none was delivered by a connection that had been given up: it must not run.
rp_prepare() {
  _rp_session=$1
  mkdir -p "$_rp_disk" && chmod 700 "${_rp_disk%/*}"
  rp_make_more
}
rp_make_more() {
  rp_names "$_rp_made" $((_rp_made + _rp_batch))
  _rp_made=$((_rp_made + _rp_batch))
  # shellcheck disable=SC2086 # a list of names
  (cd "$_rp_disk" && exec mkdir $_rp_names) || {
    mkdir -p "$_rp_memory" && chmod 700 "${_rp_memory%/*}"
    (cd "$_rp_memory" && exec mkdir $_rp_names)
  }
}
# rp_names FROM TO: sets _rp_names to the session's names behind number FROM, up to number TO.
rp_names() {
  _rp_names='' _rp_n=$1
  while [ "$_rp_n" -lt "$2" ]; do
    _rp_n=$((_rp_n + 1))
    _rp_names="$_rp_names run-$_rp_session-$_rp_n"
  done
}
# New ones are made when half of the last ones are used, so of those before there may be some left.
rp_leave() {
  rp_names $((_rp_made > 2 * _rp_batch ? _rp_made - 2 * _rp_batch : 0)) "$_rp_made"
  for _rp_base in "$_rp_disk" "$_rp_memory"; do
    # shellcheck disable=SC2086 # a list of names
    (cd "$_rp_base" && exec rmdir $_rp_names)
  done
}

# rp_forget NAME...: ended commands whose output has arrived.
rp_forget() {
  for _rp_base in "$_rp_disk" "$_rp_memory"; do
    if [ -d "$_rp_base" ]; then
      (cd "$_rp_base" && exec rm -rf "$@") >/dev/null 9>&- &
    fi
  done
}

# rp_locate NAME: sets _rp_dir to the job's directory, wherever it is; fails if there is none.
rp_locate() {
  for _rp_base in "$_rp_memory" "$_rp_disk"; do
    _rp_dir=$_rp_base/$1
    [ -e "$_rp_dir/command" ] && return
  done
  return 1
}

# rp_claim: the command's text into _rp_dir, by whoever comes first; fails with _rp_taken set if that was
# another. And room for the rest, so that a disk that is full shows itself now. The exit code is written over
# blanks of its own length later, which works on a full disk too.
rp_claim() {
  rp_guard
  _rp_taken=
  set -C
  printf '' >"$_rp_dir/command"
  _rp_status=$?
  set +C
  if [ $_rp_status != 0 ] && [ -e "$_rp_dir/command" ]; then _rp_taken=1; fi
  [ $_rp_status = 0 ] && printf '%b\n' "$_rp_text" >"$_rp_dir/command" &&
    printf '%32768s' '' >"$_rp_dir/out" && printf '' >"$_rp_dir/out" && printf '' >"$_rp_dir/err" &&
    printf '%-7s\n' '' >"$_rp_dir/exit_code"
}

# The command in its own session and process group. What waits for it takes no notice of any signal but
# KILL, and holds nothing of the connection.
# With _rp_together set, both streams go into one file.
rp_start() {
  (
    trap '' HUP INT QUIT TERM PIPE USR1 USR2
    exec </dev/null >/dev/null 9>&-
    read -r _rp_supervisor _rp_line </proc/self/stat
    (
      trap - HUP INT QUIT TERM PIPE USR1 USR2
      exec >>"$_rp_dir/out"
      if [ -n "$_rp_together" ]; then exec 2>&1; else exec 2>>"$_rp_dir/err"; fi
      # shellcheck disable=SC2086 # a list of words
      exec $_rp_setsid $_rp_shell "$_rp_dir/command"
    ) &
    rp_process "$_rp_supervisor"
    echo "$! $_rp_supervisor $_rp_started $_rp_container" >"$_rp_dir/pid"
    wait $!
    printf '%-7s\n' $? 1<>"$_rp_dir/exit_code"
  ) &
  _rp_supervisor=$!
}
# rp_ended: whether the job in _rp_dir has ended; sets _rp_code. Read again once it is there: a shell reads byte
# by byte, and may have begun with the blanks of before.
rp_ended() {
  _rp_code=
  read -r _rp_code <"$_rp_dir/exit_code"
  [ -n "$_rp_code" ] && read -r _rp_code <"$_rp_dir/exit_code"
}

# rp_supervised: whether somebody still waits for the job in _rp_dir.
rp_supervised() {
  _rp_waiting='' _rp_born_in=''
  read -r _rp_group _rp_waiting _rp_since _rp_born_in <"$_rp_dir/pid"
  [ -n "$_rp_waiting" ] && rp_alive "$_rp_waiting" "$_rp_since"
}

# rp_stream TYPE FILE SIZE FROM FINAL: what the client lacks of FILE, whole up to _rp_head bytes, and at the
# end either the rest, if that is no more than _rp_tail, or the last _rp_tail bytes. Sets _rp_sent, where the
# unbroken part ends.
rp_stream() {
  _rp_sent=$4
  _rp_until=$_rp_head
  if [ "$5" = final ] && [ "$3" -le $((_rp_head + _rp_tail)) ]; then _rp_until=$3; fi
  [ "$_rp_until" -le "$3" ] || _rp_until=$3
  if [ "$_rp_sent" -lt "$_rp_until" ]; then
    rp_piece "$1" "$2" "$_rp_sent" $((_rp_until - _rp_sent))
    _rp_sent=$_rp_until
  fi
  if [ "$_rp_sent" -lt "$3" ]; then
    if [ "$5" = final ]; then
      rp_piece "$1" "$2" $(($3 - _rp_tail)) "$_rp_tail"
    else
      _rp_last=$(($3 - 512))
      [ $_rp_last -ge "$_rp_sent" ] || _rp_last=$_rp_sent
      rp_piece "$1" "$2" "$_rp_last" $(($3 - _rp_last))
    fi
  fi
}

# rp_report FINAL STATE [WORD...]: the output that the client lacks, then a frame with the state and both
# sizes: the last one of the call if FINAL is 'final'.
rp_report() {
  _rp_final=$1
  shift
  _rp_sizes='0 - 0'
  if [ -s "$_rp_dir/out" ] || [ -s "$_rp_dir/err" ]; then
    _rp_sizes=$(cd "$_rp_dir" && exec wc -c out err)
  fi
  rp_lock
  # shellcheck disable=SC2086 # size name size name …
  rp_report_sized "$*" $_rp_sizes
  rp_unlock
}
rp_report_sized() {
  rp_stream o "$_rp_dir/out" "$2" "$_rp_out_sent" "$_rp_final"
  _rp_out_sent=$_rp_sent
  rp_stream e "$_rp_dir/err" "$4" "$_rp_err_sent" "$_rp_final"
  _rp_err_sent=$_rp_sent
  if [ "$_rp_final" = final ]; then
    rp_end "$2" "$4" "$1"
  else
    rp_frame s "$2" "$4" "$1"
  fi
}

# rp_follow: reports when asked (USR1), at the end, or when told to let go (USR2).
rp_follow() {
  rp_unguard
  while :; do
    if [ -n "$_rp_supervisor" ]; then
      wait "$_rp_supervisor"
    else
      sleep 0.1 >/dev/null 9>&- &
      wait $!
    fi
    if rp_ended; then
      rp_find_room
      rp_report final exited "$_rp_code" "$_rp_where"
      return
    elif [ -n "$_rp_let_go" ]; then
      rp_report final running - "$_rp_where"
      return
    elif [ -n "$_rp_asked" ]; then
      rp_report on running - "$_rp_where"
      rp_heed
    elif ! rp_supervised; then
      # Another connection may be about to start it, if nobody has yet.
      _rp_patience=$((_rp_waiting ? 0 : _rp_patience - 1))
      if [ "$_rp_patience" -le 0 ] && ! rp_ended; then
        rp_report final lost - "$_rp_where"
        return
      fi
      sleep 0.1 >/dev/null 9>&-
    fi
  done
}

# rp_heed: from now on takes notice of what the client wants; writing a frame ends that. Whatever it wants it
# asks for again every second.
rp_heed() {
  _rp_asked=
  trap '_rp_asked=1' USR1
  trap '_rp_let_go=1' USR2
}

# rp_run NAME HOW OUT_FROM ERR_FROM HEAD TAIL WORKDIR: starts the command in _rp_text unless it was started
# before under this name, and follows it. HOW is first (the directory is prepared), again (it may have been
# started over another connection) or follow (it was).
rp_run() {
  _rp_let_go='' _rp_supervisor='' _rp_patience=30 _rp_together=''
  rp_heed
  _rp_out_sent=$3 _rp_err_sent=$4 _rp_head=$5 _rp_tail=$6
  _rp_dir=$_rp_disk/$1
  if [ "$2" = first ] || ! rp_locate "$1"; then
    if [ "$2" = follow ]; then
      rp_refuse gone
      return
    fi
    rp_decode "$7"
    if ! rp_enter "$_rp_decoded"; then
      rp_refuse no-workdir
      return
    fi
    [ "$2" = first ] || mkdir -p "$_rp_dir"
    [ -d "$_rp_dir" ] || [ "$2" != first ] || _rp_dir=$_rp_memory/$1
    if ! rp_claim && [ -z "$_rp_taken" ]; then
      if [ "$2" = first ] && [ ! -d "$_rp_dir" ]; then
        rp_refuse gone
        return
      fi
      # What could not be written whole must not pass for the command.
      rm -rf "${_rp_dir:?}"
      _rp_dir=$_rp_memory/$1
      mkdir -p "$_rp_dir" && chmod 700 "${_rp_memory%/*}"
      if ! rp_claim && [ -z "$_rp_taken" ]; then
        rm -rf "${_rp_dir:?}"
        rp_refuse no-room
        return
      fi
    fi
    [ -n "$_rp_taken" ] || rp_start
  fi
  rp_find_where
  rp_follow
}
# rp_find_where: sets _rp_where, what the job in _rp_dir lies on: disk or memory.
rp_find_where() {
  _rp_where=disk
  case $_rp_dir in "$_rp_memory"*) _rp_where=memory ;; esac
}
# rp_find_room: adds to _rp_where when there is no room any more for what the job prints.
rp_find_room() {
  printf '%4096s' '' >"$_rp_dir/room" || _rp_where=$_rp_where-full
  printf '' >"$_rp_dir/room"
}
rp_refuse() {
  rmdir "$_rp_dir"
  rp_lock
  rp_end 0 0 "$1"
  rp_unlock
}
# rp_enter FOLDER: where the command runs; the home directory unless told otherwise.
rp_enter() {
  # shellcheck disable=SC2088 # the one expansion that a workdir gets
  case $1 in
  '' | '~') cd "$HOME" || return ;;
  '~/'*) cd "$HOME/${1#??}" || return ;;
  /*) cd "$1" || return ;;
  *) cd "./$1" || return ;;
  esac
}
