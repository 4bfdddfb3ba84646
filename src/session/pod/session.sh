# shellcheck shell=sh
# shellcheck disable=SC2154 # _rp_nonce comes from the client
# The program of a session: it loads the pod's environment and then serves calls, one line a request, until
# its input ends. Calls run side by side in subshells; each answers in frames on the one output stream. The
# client has set _rp_nonce before it sent this text, and sends the name of the last function alone when all
# of it has arrived: a shell that reads its program in blocks would swallow what comes behind it.
#
# Variables begin with _rp_, since one that the pod's environment exports under the same name would travel
# into every command with our value.

set -f
_rp_text=
_rp_encoding=raw

# Who writes: a pipe that holds one empty line. Taking the line is taking the lock. It costs no process, and
# a reader that a signal interrupts has taken nothing. A writer would have lost what it had begun, if the way
# was full just then (bash and busybox sh don't write on): so signals pass it by from here on.
rp_lock() {
  until IFS= read -r _rp_line <&9; do :; done
  trap '' USR1 USR2
}
rp_unlock() {
  echo >&9
}

# rp_header TYPE LENGTH [WORD...]: the first line of a frame. To be called under the lock. A printf of busybox sh
# gives up, with nothing written, when a child ends while it waits for room.
rp_header() {
  set -- "@$_rp_nonce $_rp_call $*"
  printf '%s\n' "$1" || printf '%s\n' "$1" || printf '%s\n' "$1"
}

# rp_frame TYPE [WORD...]: a frame without payload. To be called under the lock.
rp_frame() {
  _rp_type=$1
  shift
  rp_header "$_rp_type" 0 "$@"
}

# rp_say TYPE [WORD...]: the same, taking the lock. The type . ends the call.
rp_say() {
  [ "$1" != . ] || _rp_ended=1
  rp_lock
  rp_frame "$@"
  rp_unlock
}

# rp_end [WORD...]: the last frame of a call.
rp_end() {
  _rp_ended=1
  rp_frame . "$@"
}

# rp_text TYPE: standard input as the payload of a frame, whatever its length.
rp_text() {
  rp_header "$1" b
  base64
  echo .
}

# rp_piece TYPE FILE FROM COUNT: COUNT bytes of FILE from offset FROM on, which the file must have.
rp_piece() {
  if [ "$_rp_encoding" = raw ]; then
    rp_header "$1" "$4" "$3"
    rp_bytes "$2" "$3" "$4"
    echo
  else
    rp_header "$1" b "$3"
    rp_bytes "$2" "$3" "$4" | base64
    echo .
  fi
}
rp_bytes() {
  if [ "$2" = 0 ]; then
    head -c "$3" <"$1"
  else
    rp_range "$@"
  fi
}
# rp_range FILE FROM COUNT
rp_range() {
  dd if="$1" bs=65536 skip="$2" count="$3" iflag=skip_bytes,count_bytes,fullblock
}

# rp_decode WORD: sets _rp_decoded. Words travel as printf's %b writes them, behind a '='.
rp_decode() {
  _rp_decoded=${1#=}
  case $_rp_decoded in
  *\\*)
    _rp_decoded=$(printf '%b.' "$_rp_decoded")
    _rp_decoded=${_rp_decoded%.}
    ;;
  esac
}

# rp_process PID: sets _rp_started, the process's start time in clock ticks since the machine's start (field
# 22 of /proc/PID/stat), _rp_state, _rp_parent and _rp_in_group; fails if there is no such process. A pid alone
# may be another's by now.
rp_process() {
  _rp_stat=
  { read -r _rp_stat <"/proc/$1/stat"; } 2>/dev/null
  [ -n "$_rp_stat" ] || return 1
  # shellcheck disable=SC2086 # to be split
  set -- ${_rp_stat##*) }
  _rp_state=$1
  _rp_parent=$2
  _rp_in_group=$3
  shift 19
  _rp_started=$1
}
# rp_alive PID STARTED: whether the process that began then still runs.
rp_alive() {
  rp_process "$1" && [ "$_rp_started" = "$2" ] && [ "$_rp_state" != Z ]
}

# rp_export NAME VALUE, leaving alone what belongs to the session and what a shell keeps read-only.
rp_export() {
  case $1 in
  '' | [0-9]* | *[!A-Za-z0-9_]*) ;;
  HOME | USER | LOGNAME | SHELL | PWD | OLDPWD | SHLVL | TERM | _ | SSH_* | _rp_*) ;;
  UID | EUID | PPID | BASHOPTS | SHELLOPTS | BASH_* | IFS | PS[1-4] | ENV | FUNCNAME | GROUPS | DIRSTACK | TMOUT) ;;
  *) export "$1=$2" ;;
  esac
}

# The environment of the pod's first process, which sessions over sshd lack. Values may hold newlines: they
# travel as \001 from tr to here.
rp_environment_of_init() {
  [ -r /proc/1/environ ] || return 1
  _rp_soh=$(printf '\001')
  _rp_all=$({ tr '\000\n' '\n\001' </proc/1/environ; } 2>/dev/null) || return 1
  [ -n "$_rp_all" ] || return 1
  while IFS= read -r _rp_line; do
    _rp_value=${_rp_line#*=}
    while :; do
      case $_rp_value in
      *"$_rp_soh"*)
        _rp_value="${_rp_value%%"$_rp_soh"*}
${_rp_value#*"$_rp_soh"}"
        ;;
      *) break ;;
      esac
    done
    rp_export "${_rp_line%%=*}" "$_rp_value"
  done <<EOT
$_rp_all
EOT
}

# RunPod's images write it without escaping anything, so its lines are read as they are meant, not sourced:
# a value with a quote or a dollar in it would change or break. Read anew for every call, since the image
# writes it some seconds after its sshd answers.
rp_environment_of_image() {
  [ -r /etc/rp_environment ] || return 0
  while IFS= read -r _rp_line || [ -n "$_rp_line" ]; do
    case $_rp_line in
    'export '*=*) ;;
    *) continue ;;
    esac
    _rp_line=${_rp_line#export }
    _rp_value=${_rp_line#*=}
    case $_rp_value in
    '"'*'"') _rp_value=${_rp_value#?} _rp_value=${_rp_value%?} ;;
    "'"*"'") _rp_value=${_rp_value#?} _rp_value=${_rp_value%?} ;;
    esac
    rp_export "${_rp_line%%=*}" "$_rp_value"
  done </etc/rp_environment
}

# Takes the text that was sent as a further program.
rp_load() {
  eval "$(printf '%b' "$_rp_text")"
  _rp_text=
}

# rp_serve FUNCTION [WORD...]: one call, in a subshell of its own.
rp_serve() {
  _rp_ended=
  [ "$_rp_environment" = init ] || rp_environment_of_image
  "$@"
  [ -n "$_rp_ended" ] || rp_say .
}

# rp_own CALL: sets _rp_pid if the call's subshell still runs.
rp_own() {
  eval "_rp_pid=\${_rp_pid_$1-}"
  [ -n "$_rp_pid" ] && rp_process "$_rp_pid" && [ "$_rp_parent" = "$_rp_self" ]
}

# rp_bury PID STARTED: ends the loop of a session that the client has given up, and its calls. What is still on
# the wire to it must not run a second time.
rp_bury() {
  if rp_alive "$@"; then
    _rp_line=
    read -r _rp_line <"/proc/$1/task/$1/children"
    kill -s KILL "$1"
    while rp_alive "$@"; do :; done
    # shellcheck disable=SC2086 # a list of processes
    [ -z "$_rp_line" ] || kill $_rp_line
  fi
}

# Between these TERM doesn't end a call: what claims a name must also start what it claimed it for.
rp_guard() {
  _rp_ending=
  trap '_rp_ending=1' TERM
}
rp_unguard() {
  trap - TERM
  [ -z "$_rp_ending" ] || exit
}

rp_requests() {
  _rp_most=0
  while read -r _rp_verb _rp_call _rp_rest; do
    case $_rp_verb in
    t) _rp_text=$_rp_text$_rp_rest ;;
    c)
      # shellcheck disable=SC2086 # the words of the call
      (rp_serve $_rp_rest) &
      eval "_rp_pid_$_rp_call=$!"
      [ "$_rp_call" -le "$_rp_most" ] || _rp_most=$_rp_call
      _rp_text=
      ;;
    s) if rp_own "$_rp_call"; then kill -s "$_rp_rest" "$_rp_pid"; fi ;;
    u)
      # A call that reads from the session's input, so nothing else may meanwhile.
      _rp_ended=
      # shellcheck disable=SC2086 # the words of the call
      $_rp_rest
      ;;
    p) rp_say p ;;
    h)
      # shellcheck disable=SC2086 # a function and its words, run here
      $_rp_rest
      ;;
    e) _rp_encoding=$_rp_rest ;;
    x) break ;;
    esac
    # Takes the ended subshells out of the process table.
    jobs >/dev/null
  done
  while [ "$_rp_most" -gt 0 ]; do
    if rp_own "$_rp_most"; then kill "$_rp_pid"; fi
    _rp_most=$((_rp_most - 1))
  done
  rp_leave
}

# What a layer above wants done when the session has its environment.
rp_settle() { :; }
# What a layer above wants done at the end of the session.
rp_leave() { :; }
# What it has to say of the pod when the session begins.
rp_describe() { :; }

rp_has() {
  command -v "$1" >/dev/null
}

rp_describe_pod() {
  echo "pid $_rp_self"
  rp_process "$_rp_self" && echo "started $_rp_started"
  { read -r _rp_line </proc/sys/kernel/hostname; } 2>/dev/null && echo "hostname $_rp_line"
  echo "home $HOME"
  for _rp_tool in bash tmux setsid base64 sha256sum tar gzip python3; do
    rp_has "$_rp_tool" && echo "has $_rp_tool"
  done
  rp_describe
}

rp_session() {
  exec 2>/dev/null
  _rp_call=0
  read -r _rp_self _rp_line </proc/self/stat
  echo >&9
  # Polls may come before a call has said what to do with them.
  trap '' USR1 USR2
  # What bash would take for the patience of its read.
  unset TMOUT
  [ -n "${HOME-}" ] || export HOME=/root
  cd "$HOME" || cd /
  if rp_environment_of_init; then _rp_environment=init; else _rp_environment=image; fi
  rp_settle
  rp_all_bytes
  rp_lock
  rp_describe_pod | rp_text ready
  rp_unlock
  rp_requests
}

# Every byte once, so that the client sees whether the way is clean.
rp_all_bytes() {
  _rp_all=
  for _rp_n in 0 1 2 3; do
    for _rp_a in 0 1 2 3 4 5 6 7; do
      for _rp_b in 0 1 2 3 4 5 6 7; do
        _rp_all="$_rp_all\\$_rp_n$_rp_a$_rp_b"
      done
    done
  done
  # shellcheck disable=SC2059 # the escapes are meant for printf
  printf "@$_rp_nonce 0 bytes 256\n$_rp_all\n"
}

rp_begin() {
  exec 3<&0
  # The lock's pipe, opened for both directions so that it outlives the process that made it.
  : | {
    exec 9<>/proc/self/fd/0 0<&3 3<&-
    if [ -t 0 ]; then
      # bash reads ahead on a terminal (not on a pipe), and a subshell would inherit what was read ahead. Not
      # cat: busybox's calls sendfile, which locks the pipe's reader out while it waits for the terminal.
      dd bs=4096 2>/dev/null 9>&- | rp_session
    else
      rp_session
    fi
  }
  exit
}
