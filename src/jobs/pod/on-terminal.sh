#!/bin/sh
# What runs in a job's tmux window: start DIRECTORY SHELL CONTAINER. Starts the command as a person would, in
# the foreground of the terminal, waits for it and writes its exit code down.
_rp_dir=$1
_rp_shell=$2
_rp_container=$3
# shellcheck source=/dev/null
. "$_rp_dir/environment"
rm -f "$_rp_dir/environment" "$_rp_dir/start"
# Caught, not ignored: what is ignored here would be ignored in the command.
trap : HUP INT QUIT TERM USR1 USR2
# What a shell with job control has to say of the command's end is not the command's output.
exec 3>&2 2>/dev/null
# The command's process group, of its own: signals for it don't reach what waits for it.
set -m
read -r _rp_stat </proc/$$/stat
# shellcheck disable=SC2086 # to be split
set -- ${_rp_stat##*) }
shift 19
# shellcheck disable=SC2016 # for the inner shell
sh -c 'echo "$$ $1 $2 $3" >"$4/pid"; exec "$5" "$4/command" 2>&3 3>&-' \
  sh $$ "$1" "$_rp_container" "$_rp_dir" "$_rp_shell"
_rp_status=$?
# What the command printed is on its way through tmux into the log. An escape sequence that no terminal shows
# goes the same way: when it has arrived, so has all before it.
printf '\033]7777;%s\007' "$$"
_rp_tries=40
until [ $_rp_tries = 0 ] || tail -c 200 "$_rp_dir/out" | grep -q "7777;$$"; do
  _rp_tries=$((_rp_tries - 1))
  sleep 0.05
done
printf '%-7s\n' $_rp_status 1<>"$_rp_dir/exit_code"
