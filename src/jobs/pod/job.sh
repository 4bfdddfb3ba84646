# shellcheck shell=sh
# shellcheck disable=SC2154 # what session.sh and run.sh set
# Jobs by name: started without anybody following, looked at, listed and stopped. Loaded after run.sh.

# rp_job NAME TOKEN WORKDIR REPLACE: starts the command in _rp_text under NAME. A second request with the same
# TOKEN is the same one, sent again after its connection was lost. Answers: on-terminal TMUX_NAME, detached,
# taken (still running), no-workdir, no-room; before it a frame `where memory` if the disk took nothing.
rp_job() {
  rp_decode "$3"
  if ! rp_enter "$_rp_decoded"; then
    rp_say_end no-workdir
    return
  fi
  mkdir -p "$_rp_disk" && chmod 700 "${_rp_disk%/*}"
  rp_take_turn "$1"
  rp_job_in_turn "$@"
  rm -f "$_rp_turn"
}
rp_say_end() {
  rp_lock
  rp_end "$@"
  rp_unlock
}

# rp_take_turn NAME: one at a time looks whether a name is free and takes it. Where nothing can be written
# there are no turns: after two seconds it goes on without.
rp_take_turn() {
  _rp_turn=${TMPDIR:-/tmp}/.runpod-ssh-$(id -u)-$1
  _rp_tries=20
  read -r _rp_me _rp_line </proc/self/stat
  rp_process "$_rp_me"
  # A link is there with its text, or not at all.
  until ln -s "$_rp_me $_rp_started" "$_rp_turn"; do
    _rp_mine=$_rp_started
    _rp_holder=$(readlink "$_rp_turn")
    if [ -z "$_rp_holder" ]; then
      _rp_tries=$((_rp_tries - 1))
      [ $_rp_tries -gt 0 ] || return
      sleep 0.1
    elif rp_alive "${_rp_holder% *}" "${_rp_holder#* }"; then
      sleep 0.1
    elif [ "$(readlink "$_rp_turn")" = "$_rp_holder" ]; then
      # Whoever ends in order takes it away first, so this one was killed.
      rm -f "$_rp_turn"
    fi
    _rp_started=$_rp_mine
  done
}

rp_job_in_turn() {
  if rp_locate "$1"; then
    _rp_token=
    read -r _rp_token <"$_rp_dir/token"
    if [ "$_rp_token" = "$2" ]; then
      rp_say_started
      return
    fi
    if ! rp_ended && rp_supervised; then
      if [ "$4" != replace ]; then
        rp_say_end taken
        return
      fi
      rp_end_group TERM 5
    fi
    rm -rf "${_rp_dir:?}"
  fi
  _rp_dir=$_rp_disk/$1
  mkdir -p "$_rp_dir"
  if ! rp_claim; then
    rm -rf "${_rp_dir:?}"
    _rp_dir=$_rp_memory/$1
    mkdir -p "$_rp_dir" && chmod 700 "${_rp_memory%/*}"
    if ! rp_claim; then
      rm -rf "${_rp_dir:?}"
      rp_say_end no-room
      return
    fi
  fi
  echo "$2" >"$_rp_dir/token"
  if ! rp_has tmux || ! rp_on_terminal "$1"; then
    _rp_together=1
    rp_start
  fi
  rp_await_start
  rp_say_started
}
rp_say_started() {
  rp_find_where
  [ "$_rp_where" = disk ] || rp_say where "$_rp_where"
  rp_say_end "$(cat "$_rp_dir/terminal" || echo detached)"
}
# Until it can be seen that the job runs: whoever asks for its name next must find it taken.
rp_await_start() {
  rp_unguard
  _rp_tries=40
  until [ -s "$_rp_dir/pid" ] || [ $_rp_tries = 0 ]; do
    _rp_tries=$((_rp_tries - 1))
    sleep 0.05
  done
}

# rp_on_terminal NAME: in a tmux session, whose output tmux itself copies to the log from the first byte on.
rp_on_terminal() {
  # tmux makes of a dot what it makes of a colon.
  _rp_pane=$(printf '%s' "$1" | tr . _)
  tmux has-session -t "=$_rp_pane" 9>&- && return 1
  case $_rp_dir in *[!A-Za-z0-9/._-]*) return 1 ;; esac
  (
    unset TERM TMUX TMUX_PANE
    export -p
  ) >"$_rp_dir/environment"
  echo "on-terminal $_rp_pane" >"$_rp_dir/terminal"
  # tmux's server goes with its last session, and whoever asks it just then gets nothing.
  for _rp_n in 1 2 3; do
    printf '%s' "$_rp_program_on_terminal" >"$_rp_dir/start"
    tmux new-session -d -s "$_rp_pane" -x 200 -y 50 -c "$PWD" \
      "exec $_rp_shell '$_rp_dir/start' '$_rp_dir' $_rp_shell '$_rp_container'" \; \
      pipe-pane -t "=$_rp_pane:" "exec cat >>'$_rp_dir/out'" >/dev/null 9>&- && return
    rm -f "$_rp_dir/start"
    tmux kill-session -t "=$_rp_pane" 9>&-
    sleep 0.1
  done
  rm -f "$_rp_dir/terminal" "$_rp_dir/environment"
  return 1
}

# rp_times: sets _rp_begun and _rp_over from the files' times, _rp_now from the clock.
rp_times() {
  # shellcheck disable=SC2046 # two numbers
  set -- $(cd "$_rp_dir" && stat -c %Y command exit_code) "$(date +%s)"
  _rp_begun=$1 _rp_over=$2 _rp_now=$3
}

# rp_state: sets _rp_state_is and _rp_code: running, exited CODE, stopped SIGNAL, replaced TIME (the container
# is another one since then) or lost.
rp_state() {
  _rp_state_is=running
  if rp_ended; then
    _rp_state_is=exited
    if [ -e "$_rp_dir/stopped" ]; then _rp_state_is=stopped; fi
    return
  fi
  _rp_code=-
  rp_supervised && return
  # It may have ended between the two looks.
  if rp_ended; then
    _rp_state_is=exited
    return
  fi
  _rp_code=-
  _rp_state_is=lost
  if [ -n "$_rp_born_in" ] && [ "$_rp_born_in" != "$_rp_container" ]; then
    _rp_state_is=replaced
    _rp_code=$_rp_container_since
  elif [ -z "$_rp_waiting" ] && [ $((_rp_now - _rp_begun)) -lt 5 ]; then
    # It is about to start.
    _rp_state_is=running
  fi
}

# rp_look NAME OUT_FROM ERR_FROM HEAD TAIL TENTHS: the state of a job and its output from the given offsets on;
# an offset of - means the last TAIL bytes. Waits up to TENTHS of a second for an end or for new output.
rp_look() {
  trap '_rp_let_go=1' USR2
  _rp_let_go=''
  if ! rp_locate "$1"; then
    rp_say_end 0 0 none
    return
  fi
  _rp_tail=$5 _rp_tenths=$6 _rp_out_sent=$2 _rp_err_sent=$3
  rp_times
  rp_state
  while [ "$_rp_state_is" = running ] && [ "$_rp_tenths" -gt 0 ] && [ -z "$_rp_let_go" ]; do
    rp_sizes
    [ "$_rp_out_size $_rp_err_size" = "$2 $3" ] || break
    sleep 0.2 >/dev/null 9>&- &
    wait $!
    _rp_tenths=$((_rp_tenths - 2))
    rp_state
  done
  rp_times
  rp_sizes
  [ "$_rp_out_sent" = - ] && _rp_out_sent=$((_rp_out_size > _rp_tail ? _rp_out_size - _rp_tail : 0))
  [ "$_rp_err_sent" = - ] && _rp_err_sent=$((_rp_err_size > _rp_tail ? _rp_err_size - _rp_tail : 0))
  rp_find_where
  [ "$_rp_state_is" != running ] || rp_find_room
  _rp_pane=-
  [ ! -e "$_rp_dir/terminal" ] || read -r _rp_line _rp_pane <"$_rp_dir/terminal"
  _rp_out_from=$_rp_out_sent _rp_err_from=$_rp_err_sent
  rp_lock
  _rp_head=$((_rp_out_sent + $4))
  rp_stream o "$_rp_dir/out" "$_rp_out_size" "$_rp_out_sent" final
  _rp_head=$((_rp_err_sent + $4))
  rp_stream e "$_rp_dir/err" "$_rp_err_size" "$_rp_err_sent" final
  rp_end "$_rp_out_size" "$_rp_err_size" "$_rp_state_is" "$_rp_code" "$_rp_where" \
    "$_rp_begun" "$_rp_over" "$_rp_now" "$_rp_out_from" "$_rp_err_from" "$_rp_pane"
  rp_unlock
}
rp_sizes() {
  _rp_out_size=0 _rp_err_size=0
  if [ -s "$_rp_dir/out" ] || [ -s "$_rp_dir/err" ]; then
    # shellcheck disable=SC2046 # size name size name …
    set -- $(cd "$_rp_dir" && exec wc -c out err)
    _rp_out_size=$1 _rp_err_size=$3
  fi
}

# rp_list: all jobs, the newest first, a line each: state, code, begun, over, now, name, and in base64 the
# beginning of the command and the end of the output.
rp_list() {
  _rp_listed=$(rp_list_all)
  rp_lock
  printf '%s\n' "$_rp_listed" | rp_text j
  rp_end
  rp_unlock
}
rp_list_all() {
  set +f
  for _rp_base in "$_rp_disk" "$_rp_memory"; do
    # The times that ls sorts by are finer than those that stat shows.
    for _rp_line in $(cd "$_rp_base" && exec ls -t ./*/command); do
      _rp_dir=${_rp_line%/command}
      _rp_dir=$_rp_base/${_rp_dir#./}
      rp_times
      rp_state
      echo "$_rp_state_is $_rp_code $_rp_begun $_rp_over $_rp_now ${_rp_dir##*/} =$(
        head -c 400 "$_rp_dir/command" | base64 | tr -d '\n'
      ) =$(
        { tail -c 300 "$_rp_dir/err"; tail -c 600 "$_rp_dir/out"; } | base64 | tr -d '\n'
      )"
    done
  done
}

# rp_stop NAME SIGNAL GRACE: ends a job's process group. Answers none, ended (it had ended before) or
# stopped SIGNAL, the signal that it took, then the exit code.
rp_stop() {
  if ! rp_locate "$1"; then
    rp_say_end none
  elif rp_ended; then
    rp_say_end ended - "$_rp_code"
  elif ! rp_supervised; then
    rp_say_end lost
  else
    echo "$2" >"$_rp_dir/stopped"
    rp_end_group "$2" "$3"
    rp_say_end stopped "$_rp_took" "${_rp_code:--}"
  fi
}

# rp_end_group SIGNAL GRACE: after GRACE seconds KILL. Until the job has its exit code.
rp_end_group() {
  _rp_took=$1
  rp_signal_group "$1"
  _rp_left=$(($2 * 10))
  while ! rp_ended || rp_group_left; do
    if [ $_rp_left -le 0 ]; then
      _rp_took=KILL
      rp_signal_group KILL
    fi
    [ $_rp_left -gt -50 ] || break
    _rp_left=$((_rp_left - 1))
    sleep 0.1
  done
}

# rp_signal_group SIGNAL. Not `kill -s SIGNAL -- -GROUP`: busybox sh knows no --, and dash takes the group for an
# option without.
rp_signal_group() {
  kill "-$1" "-$_rp_group"
}

# rp_group_left: whether something of the process group still runs. A zombie doesn't, and stays for ever where the
# container's first process takes none away.
rp_group_left() {
  rp_signal_group 0 || return
  _rp_left_over=
  set +f
  for _rp_line in /proc/[0-9]*; do
    if rp_process "${_rp_line##*/}" && [ "$_rp_in_group" = "$_rp_group" ] && [ "$_rp_state" != Z ]; then
      _rp_left_over=1
      break
    fi
  done
  set -f
  [ -n "$_rp_left_over" ]
}

# rp_sweep: of the ended jobs the newest 50 stay.
rp_sweep() {
  (
    set +f
    _rp_kept=0
    # shellcheck disable=SC2012 # the names are ours
    cd "$_rp_disk/.." && ls -td jobs/* "$_rp_memory"/* | while read -r _rp_dir; do
      [ -e "$_rp_dir/command" ] || continue
      if ! rp_ended && rp_supervised; then continue; fi
      _rp_kept=$((_rp_kept + 1))
      [ $_rp_kept -le 50 ] || rm -rf "${_rp_dir:?}"
    done
  ) >/dev/null 9>&- &
}

# rp_clear SESSION: the empty directories that a session which was buried had prepared.
rp_clear() {
  set +f
  rmdir "$_rp_disk/run-$1-"* "$_rp_memory/run-$1-"*
  set -f
}
