#!/bin/sh
# What runs in a job's tmux window: start DIRECTORY SHELL CONTAINER. Starts the command as a person would, in
# the foreground of the terminal, waits for it and writes its exit code down.
_rp_dir=$1
_rp_shell=$2
_rp_container=$3
# The window's own process stays outside: when the terminal goes, that ends it, and with it the kernel hangs up
# the command. sh, because bash's job control leaves the terminal with itself in a shell that isn't interactive.
if [ -e "$_rp_dir/environment" ]; then
  # shellcheck source=/dev/null
  . "$_rp_dir/environment"
  rm -f "$_rp_dir/environment"
  sh "$0" "$@"
  exit
fi
rm -f "$_rp_dir/start"
# Caught, not ignored: what is ignored here would be ignored in the command.
trap : HUP INT QUIT TERM USR1 USR2
# What a shell with job control has to say of the command's end is not the command's output.
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
# The command's process group, of its own: signals for it don't reach what waits for it.
set -m
read -r _rp_stat </proc/$$/stat
# shellcheck disable=SC2086 # to be split
set -- ${_rp_stat##*) }
shift 19
# shellcheck disable=SC2016 # for the inner shell
sh -c 'trap : HUP INT QUIT TERM USR1 USR2
  echo "$$ $1 $2 $3" >"$4/pid"
  (exec "$5" "$4/command" 2>&3 3>&-)
  set -- "$4" $?
  echo "$2" >"$1/status"
  exit "$2"' \
  sh $$ "$1" "$_rp_container" "$_rp_dir" "$_rp_shell"
_rp_status=$?
