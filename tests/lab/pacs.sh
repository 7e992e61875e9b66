#!/bin/bash
# Makes, inside a host, a toy repository of pacman's packages in versions 1 and 2: /srv/pac/1, /srv/pac/2, of which
# `cur` is the one in use. pacman's database of a Debian host starts empty.
# usage: pacs.sh make   build the packages (in the image)
#        pacs.sh reset  only packages of version 1 installed, 2 offered
# toy, toyhold  plain                     toyd      a service; 2 replaces the running binary
# toyconf       changed configuration     toyslow   2 takes as many seconds as /etc/toyslow says, locked
# toyscript     2 has a failing script, until /etc/toyscript-ok exists
# toynew        2 needs the new package toydep          toygroup   a group: toy and toyhold
set -euo pipefail
R=/srv/pac
NAMES=(toy toyhold toyd toyconf toyslow toyscript toynew)
mk() { # NAME VERSION [LINES OF .PKGINFO [SCRIPT]]; what is in the directory `files` comes with it
  local d; d=$(mktemp -d); mkdir -p files; cp -a files/. "$d"; rm -rf files
  printf 'pkgname = %s\npkgbase = %s\npkgver = %s-1\npkgdesc = toy %s\nbuilddate = 1700000000\npackager = me\nsize = 1\narch = any\nlicense = MIT\n%s' \
    "$1" "$1" "$2" "$1" "${3:+$3
}" >"$d/.PKGINFO"
  [ -z "${4:-}" ] || printf '%s\n' "$4" >"$d/.INSTALL"
  (cd "$d" && shopt -s dotglob && tar --owner=0 --group=0 -cf "$R/$2/$1-$2-1-any.pkg.tar" -- *); rm -rf "$d"
}
make_all() {
  local v w; w=$(mktemp -d); cd "$w"; mkdir -p $R/1 $R/2
  for v in 1 2; do
    for p in toy toyhold; do mkdir -p files/usr/share/toy; echo $v >files/usr/share/toy/$p; mk $p $v 'group = toygroup'; done
    mkdir -p files/etc; echo "setting = $v" >files/etc/toyconf-pac.conf; mk toyconf $v 'backup = etc/toyconf-pac.conf'
    mkdir -p files/usr/lib/toyd files/usr/lib/systemd/system; cp /bin/sleep files/usr/lib/toyd/toyd-sleep
    printf '[Service]\nExecStart=/usr/lib/toyd/toyd-sleep 100000\n' >files/usr/lib/systemd/system/toyd.service; mk toyd $v
  done
  mk toyslow 1; mk toyslow 2 '' 'post_upgrade() { sleep $(cat /etc/toyslow 2>/dev/null || echo 20); }'
  mk toyscript 1; mk toyscript 2 '' 'post_upgrade() { [ -e /etc/toyscript-ok ] || { echo "toyscript: cannot set up" >&2; exit 1; }; }'
  mk toynew 1; mk toydep 2; mk toynew 2 'depend = toydep'
  for v in 1 2; do (cd $R/$v && repo-add -q toy.db.tar.gz ./*.pkg.tar >/dev/null); done
  touch -d 2020-01-01 $R/1/*.db.tar.gz # pacman fetches what is newer
  cd /; rm -rf "$w"
}
case ${1:-} in
make) make_all ;;
reset)
  rm -f /var/lib/pacman/db.lck /etc/toyscript-ok /etc/toyslow /etc/toyconf-pac.conf*
  printf '[options]\nHoldPkg = pacman glibc\nArchitecture = auto\nSigLevel = Never\n[toy]\nServer = file://%s/cur\n' $R >/etc/pacman.conf
  ln -sfn $R/1 $R/cur
  mapfile -t there < <(pacman -Qq)
  [ ${#there[@]} = 0 ] || pacman -Rdd --noconfirm --nosave "${there[@]}" >/dev/null
  rm -rf /var/lib/pacman/sync /var/cache/pacman/pkg; mkdir -p /var/cache/pacman/pkg
  pacman -Sy --noconfirm "${NAMES[@]}" >/dev/null
  systemctl daemon-reload; systemctl restart toyd
  ln -sfn $R/2 $R/cur; pacman -Sy >/dev/null ;;
*) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
