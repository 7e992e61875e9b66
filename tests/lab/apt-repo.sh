#!/bin/bash
# A toy Debian repository with upgrades in it, served on the lab's bridge.
# usage: apt-repo.sh make         build the packages, publish version 1.0
#        apt-repo.sh publish 2    publish 2.0 beside 1.0 (publish 1: take it back)
#        apt-repo.sh serve | stop
#        apt-repo.sh host NAME..  point hosts at it (and nothing else), purge and install 1.0, fresh lists
# toy      plain                              toyhold  plain, for `apt-mark hold`
# toyd     a service; 2.0 replaces the running binary without restarting it
# toyconf  changed conffile                   toyboot  2.0 asks for a reboot
# toyslow  2.0 configures for 20 s, holding dpkg's lock (TOYSLOW=seconds, or /etc/toyslow), or until its sleep is killed
# toyfail  2.0 cannot be configured until /etc/toyfail-ok exists
# toynew   2.0 needs the new package toydep (so a plain `upgrade` keeps it back)
# toyphase 2.0 is phased in, and for no host yet
# In /security, a repository of its own, toy 1.5.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
POOL=$WORK/apt-pool REPO=$WORK/apt-repo TREE=$WORK/apt-tree PID=$WORK/apt-repo.pid STATE=$WORK/apt-repo.published
ADDRESS=172.30.0.1:8099
NAMES='toy toyd toyconf toyboot toyslow toyfail toynew toyhold toyphase'

# pkg NAME VERSION [DEPENDS [FIELD]]: pack $TREE.
pkg() {
  mkdir -p "$TREE/DEBIAN" "$TREE/usr/share/toy"; echo "$2" >"$TREE/usr/share/toy/$1"
  { printf '%s\n' "Package: $1" "Version: $2" 'Architecture: all' 'Maintainer: lab <lab@localhost>' \
      'Section: misc' 'Priority: optional' "Description: toy $1"
    [ -z "${3:-}" ] || echo "Depends: $3"; [ $# -lt 4 ] || echo "$4"; } >"$TREE/DEBIAN/control"
  [ ! -f "$TREE/DEBIAN/postinst" ] || chmod 755 "$TREE/DEBIAN/postinst"
  dpkg-deb --root-owner-group -Znone --build "$TREE" "$POOL" >/dev/null; rm -rf "$TREE"
}
make_all() {
  local v p; rm -rf "$POOL" "$TREE"; mkdir -p "$POOL"; umask 022
  for v in 1.0 2.0; do
    pkg toy $v; pkg toyhold $v
    mkdir -p "$TREE"/{DEBIAN,usr/lib/toyd,usr/lib/systemd/system}; cp /bin/busybox "$TREE/usr/lib/toyd/"
    printf '%s\n' '[Service]' 'ExecStart=/usr/lib/toyd/busybox sleep 100000' '[Install]' 'WantedBy=multi-user.target' \
      >"$TREE/usr/lib/systemd/system/toyd.service"
    printf '%s\n' '#!/bin/sh' '[ -d /run/systemd/system ] || exit 0' 'systemctl daemon-reload; systemctl -q enable toyd' \
      '[ -n "$2" ] || systemctl start toyd' >"$TREE/DEBIAN/postinst"
    pkg toyd $v
    mkdir -p "$TREE"/{DEBIAN,etc}; echo "setting = $v" >"$TREE/etc/toyconf.conf"
    echo /etc/toyconf.conf >"$TREE/DEBIAN/conffiles"; pkg toyconf $v
    for p in toyboot toyslow toyfail; do
      mkdir -p "$TREE/DEBIAN"
      { echo '#!/bin/sh'
        case $p-$v in
          toyboot-2.0) echo 'touch /run/reboot-required; echo toyboot >>/run/reboot-required.pkgs' ;;
          toyslow-2.0) echo 'sleep ${TOYSLOW:-$(cat /etc/toyslow 2>/dev/null || echo 20)} || true' ;;
          toyfail-2.0) echo '[ -e /etc/toyfail-ok ] || { echo "toyfail: cannot configure" >&2; exit 1; }' ;;
        esac; } >"$TREE/DEBIAN/postinst"
      pkg $p $v
    done
  done
  pkg toynew 1.0; pkg toydep 2.0; pkg toynew 2.0 toydep; pkg toy 1.5
  pkg toyphase 1.0; pkg toyphase 2.0 '' 'Phased-Update-Percentage: 0'
}
release() { rm -f Release; apt-ftparchive -o APT::FTPArchive::Release::Origin=Lab -o "APT::FTPArchive::Release::Label=$1" \
    -o "APT::FTPArchive::Release::Suite=$2" release . >"$WORK/Release.new"; mv "$WORK/Release.new" Release; }
# What is published already stays, for whoever is just fetching it.
publish() {
  [ "$(cat "$STATE" 2>/dev/null)" != "$1" ] || return 0
  mkdir -p "$REPO"; rm -f "$STATE"; rm -rf "$REPO"/*.deb "$REPO/security"; cp "$POOL"/*_1.0_*.deb "$REPO/"
  [ "$1" = 1 ] || cp "$POOL"/*_2.0_*.deb "$REPO/"
  cd "$REPO"; apt-ftparchive packages . >Packages.new; mv Packages.new Packages; release Lab-Security toy
  mkdir security; cd security; cp "$POOL"/*_1.5_*.deb .; apt-ftparchive packages . >Packages; release Lab-Security toy-security
  echo "$1" >"$STATE"
}
serving() { [ -f "$PID" ] && kill -0 "$(cat "$PID")" 2>/dev/null; }
serve() { lab_net; mkdir -p "$REPO"; ! serving || return 0
  setsid nohup busybox httpd -f -p "$ADDRESS" -h "$REPO" >"$WORK/apt-repo.log" 2>&1 </dev/null 9>&- & echo $! >"$PID"
  sleep 0.2; serving || die "cannot serve on $ADDRESS; see $WORK/apt-repo.log"; }
host() {
  "$LAB/lab.sh" ssh "$1" "set -e; export DEBIAN_FRONTEND=noninteractive
    touch /etc/toyfail-ok; echo 0 >/etc/toyslow; dpkg --configure -a --force-confold >/dev/null 2>&1 || true
    rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/toyfail-ok /etc/toyslow /run/reboot-required*
    echo 'deb [trusted=yes] http://$ADDRESS ./' >/etc/apt/sources.list.d/toy.list
    # One machine in a hundred gets what is phased in for none.
    echo 'APT::Machine-ID \"0123456789abcdef0123456789abcdef\";' >/etc/apt/apt.conf.d/98lab
    apt-get update -qq
    apt-mark unhold $NAMES >/dev/null 2>&1 || true
    apt-get purge -y -qq $NAMES toydep >/dev/null 2>&1 || true
    apt-get install -y -qq ${NAMES// /=1.0 }=1.0 >/dev/null
    echo $1: \$(dpkg-query -W -f '\${Version}\\n' $NAMES | grep -cx 1.0) packages at 1.0, \$(apt list --upgradable 2>/dev/null | grep -c /) upgradable"
}
[ "${1:-}" = host ] || { exec 9>"$WORK/apt-repo.lock"; flock 9; }
case ${1:-} in
  make) rm -f "$STATE"; make_all; publish 1 ;;
  publish) publish "$2" ;;
  serve) serve ;;
  stop) ! serving || kill "$(cat "$PID")"; rm -f "$PID" ;;
  host) shift; for h; do host "$h"; done ;;
  *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
