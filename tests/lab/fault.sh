#!/bin/bash
# Break a host, from outside (it needs no tools for this and cannot undo it).
# usage: fault.sh FAULT NAME [ARG]
#   drop         packets to and from the host vanish: connects time out, open sessions hang
#   reject [P]   new connections are refused (RST), or only those to port P
#   cut          established ssh sessions get a RST; new ones work
#   loss [N]     N % of incoming packets vanish (20)
#   slow [RATE]  outgoing rate (64kbit)
#   unplug       interface down              plug       up again
#   freeze       every process stops         thaw       continue
#   power        SIGKILL and start again     poweroff   stay off     poweron
#   reboot       orderly, from inside
#   sshd-kill    listener and all sessions die, none comes back
#   sshd-stop    only the listener goes      sshd-start
#   newkey       new ssh host key (a changed host; `lab.sh up` refreshes known_hosts)
#   full [DIR]   a 16 MiB tmpfs over DIR (/srv), filled to the last byte
#   readonly [DIR]  DIR (/etc) becomes read-only
#   rw [DIR]     takes back full and readonly on DIR (both defaults)
#   nodns        resolv.conf points nowhere
#   heal         takes back everything above but newkey and nodns, and waits for ssh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ $# -ge 2 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
fault=$1 host=$2 arg=${3:-}
state() { docker inspect -f '{{.State.Status}}' "$host"; }
ns() { nsenter -t "$(docker inspect -f '{{.State.Pid}}' "$host")" -n "$@"; }
inside() { docker exec "$host" sh -c "$1" sh "${@:2}"; }
rw() { local d; for d; do while inside 'mountpoint -q "$1"' "$d"; do inside 'umount -l "$1"' "$d"; done; done; }

case $fault in
  drop)   ns iptables -I INPUT -i eth0 -j DROP; ns iptables -I OUTPUT -o eth0 -j DROP ;;
  reject) ns iptables -I INPUT -i eth0 -p tcp ${arg:+--dport "$arg"} --syn -j REJECT --reject-with tcp-reset ;;
  cut)    # `ss -K` needs a kernel option; without it every packet of an old session is answered by a RST for a moment
          before=$(ns ss -Htn state established '( sport = :22 )' | wc -l)
          ns ss -K state established '( sport = :22 )' >/dev/null 2>&1 || true
          if [ "$before" -gt 0 ] && [ "$(ns ss -Htn state established '( sport = :22 )' | wc -l)" -gt 0 ]; then
            ns iptables -I INPUT -i eth0 -p tcp --dport 22 ! --syn -j REJECT --reject-with tcp-reset
            sleep 2; ns iptables -D INPUT 1
          fi ;;
  loss)   ns iptables -I INPUT -i eth0 -m statistic --mode random --probability "$(awk "BEGIN{print ${arg:-20}/100}")" -j DROP ;;
  slow)   ns tc qdisc replace dev eth0 root tbf rate "${arg:-64kbit}" burst 1600 latency 20s ;;
  unplug) ns ip link set eth0 down ;;        plug) ns ip link set eth0 up ;;
  freeze) docker pause "$host" >/dev/null ;; thaw) docker unpause "$host" >/dev/null ;;
  power)  docker kill "$host" >/dev/null; docker start "$host" >/dev/null ;;
  poweroff) docker kill "$host" >/dev/null ;; poweron) docker start "$host" >/dev/null ;;
  reboot) inside 'systemctl reboot' ;;
  sshd-kill) # the bracket keeps this shell itself out of pgrep's answer
          inside 'systemctl stop ssh; for p in $(pgrep -f "[s]shd[-:]"); do kill -9 "$p" || true; done' ;;
  sshd-stop) inside 'systemctl stop ssh' ;;  sshd-start) inside 'systemctl start ssh' ;;
  newkey) inside 'k=/etc/ssh/ssh_host_ed25519_key; rm -f $k $k.pub; ssh-keygen -q -t ed25519 -N "" -f $k; systemctl restart ssh' ;;
  full)   inside 'mkdir -p "$1"; mount -t tmpfs -o size=16m none "$1"; cat /dev/zero >"$1/fill" 2>/dev/null; df "$1" | tail -1' "${arg:-/srv}" ;;
  readonly) inside 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"' "${arg:-/etc}" ;;
  rw)     rw ${arg:-/etc /srv} ;;
  nodns)  inside 'echo nameserver 127.0.0.9 >/etc/resolv.conf' ;;
  heal)   for _ in $(seq 50); do # a host that is just rebooting is between two states
            case $(state) in
              running) ns true 2>/dev/null && break ;;
              paused) docker unpause "$host" >/dev/null ;;
              exited | created) docker start "$host" >/dev/null || true ;;
            esac; sleep 0.1
          done
          ns ip link set eth0 up; ns iptables -F INPUT; ns iptables -F OUTPUT
          ns tc qdisc del dev eth0 root 2>/dev/null || true
          rw /etc /srv
          inside 'systemctl is-active -q ssh || systemctl start ssh' || true
          exec "$LAB/lab.sh" _wait "$host" ;;
  *) die "unknown fault $fault" ;;
esac
