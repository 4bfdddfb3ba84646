#!/bin/sh
# What runs in a job's tmux window: start DIRECTORY SHELL CONTAINER. Starts the command as a person would, in
# the foreground of the terminal, waits for it and writes its exit code down. Three processes, one in the other.
_rp_dir=$1
_rp_shell=$2
_rp_container=$3

# The outermost is the window's own: when the terminal goes, that ends it, and with it the kernel hangs up the
# command. Those within are sh, because bash's job control keeps the terminal in a shell that isn't interactive.
if [ -e "$_rp_dir/environment" ]; then
  # shellcheck source=/dev/null
  . "$_rp_dir/environment"
  rm -f "$_rp_dir/environment"
  sh "$0" "$@"
  exit
fi

# Caught, not ignored: what is ignored here would be ignored in the command.
trap : HUP INT QUIT TERM USR1 USR2

# The innermost leads the command's process group; it has two words more, which name the one that waits for it.
if [ $# = 5 ]; then
  rm -f "$_rp_dir/start"
  echo "$$ $4 $5 $_rp_container" >"$_rp_dir/pid"
  (exec "$_rp_shell" "$_rp_dir/command" 2>&3 3>&-)
  _rp_status=$?
  echo $_rp_status >"$_rp_dir/status"
  exit $_rp_status
fi

# The one between waits. What a shell with job control has to say of the command's end is not the command's output.
exec 3>&2 2>/dev/null

# What the command printed is on its way through tmux into the log. An escape sequence that no terminal shows
# goes the same way: when it has arrived, so has all before it. Without the terminal dash can't start a program
# any more (it can't give it the foreground), so then there is none up to the exit code.
rp_finish() {
  [ ! -s "$_rp_dir/status" ] || read -r _rp_status <"$_rp_dir/status"
  if printf '\033]7777;%s\007' "$$"; then
    _rp_tries=40
    until [ $_rp_tries = 0 ] || tail -c 200 "$_rp_dir/out" | grep -q "7777;$$"; do
      _rp_tries=$((_rp_tries - 1))
      sleep 0.05
    done
  fi
  [ -z "$_rp_status" ] || printf '%-7s\n' "$_rp_status" 1<>"$_rp_dir/exit_code"
  rm -f "$_rp_dir/status"
}
_rp_status=
# In every case: without its terminal dash ends here, having waited for the command.
trap rp_finish EXIT
# A process group of its own for the command: signals for it don't reach what waits for it.
set -m
read -r _rp_stat </proc/$$/stat
# shellcheck disable=SC2086 # to be split
set -- ${_rp_stat##*) }
shift 19
sh "$0" "$_rp_dir" "$_rp_shell" "$_rp_container" $$ "$1"
_rp_status=$?
