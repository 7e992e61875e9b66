#!/bin/bash
# The two tools that are nothing but ssh.
# usage: over-ssh.sh limit|bash|copy HOSTS FEED SSH-OPTION..
#   HOSTS  a file of lines "address port"      FEED  a file of shell lines
#   limit  one connection per host, one `sh` fed everything through stdin
#   bash   one ssh process per line, over a ControlMaster (left running, as with ControlPersist)
#   copy   scp of the file, or one tar stream of the tree, that the feed names: over a ControlMaster (left running)
set -euo pipefail
mode=$1 hosts=$2 feed=$3; shift 3

limit() { ssh -T "$@" sh <"$feed" >/dev/null; }
bash_() {
  local line lines; mapfile -t lines <"$feed"
  for line in "${lines[@]}"; do
    ssh -n -o ControlMaster=auto -o ControlPersist=60 -o ControlPath="$RUN_DIR/%C" "$@" "$line" >/dev/null
  done
}
copy() {
  local kind from to address=${*: -1} port=${*: -2:1}; read -r kind from to <"$feed"
  local on=("${@:1:$#-3}" -o ControlMaster=auto -o ControlPersist=60 -o ControlPath="$RUN_DIR/%C")
  case $kind in
    copy) scp -q "${on[@]}" -P "$port" "$from" "$address:$to" ;;
    tree) tar -C "$from" -cf - . | ssh -T "${on[@]}" -p "$port" "$address" "mkdir -p $to && tar -C $to -xf -" ;;
  esac
}
case $mode in limit) run=limit ;; bash) run=bash_ ;; copy) run=copy ;; *) exit 2 ;; esac
pids=()
while read -r address port; do
  "$run" "$@" -p "$port" "root@$address" & pids+=($!)
done <"$hosts"
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
[ "$failed" = 0 ] || { echo "$failed hosts failed" >&2; exit 1; }
