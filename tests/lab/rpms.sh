#!/bin/bash
# Makes, inside a host, a toy repository of rpms in versions 1 and 2: /srv/rpm/1, /srv/rpm/2, of which
# `cur` is the one in use. The rpm database of a Debian host starts empty: lab-base stands for all that is there.
# usage: rpms.sh make   build the packages (in the image)
#        rpms.sh reset  only packages of version 1 installed, 2 offered
# toy, toyhold  plain                     toylib   2 mends a security hole, says the repository
# toyd          a service; 2 replaces the running binary     kernel-core  2 comes beside 1, and asks for a reboot
# toyconf       changed configuration     toyslow  2 takes as many seconds as /etc/toyslow says, locked
# toyfail       2 refuses to be installed until /etc/toyfail-ok exists     toypost  2 has a failing %post, until /etc/toypost-ok exists
# toynew        2 needs the new package toydep
set -euo pipefail
R=/srv/rpm
NAMES=(toy toyhold toylib toyd toyconf toyslow toyfail toypost toynew kernel-core)
mk() { # NAME VERSION [SPEC LINES [SECTIONS [FILES]]]
  cat >"$1.spec" <<X
%global debug_package %{nil}
Name: $1
Version: $2
Release: 1
Summary: toy $1
License: MIT
AutoReqProv: no
$([ "$1" = toyd ] || echo 'BuildArch: noarch')
${3:-}
%description
toy
${4:-}
%files
${5:-}
X
  rpmbuild -bb -D "_rpmdir $R/$2" -D '_build_name_fmt %%{NAME}-%%{VERSION}.rpm' -D '_binary_payload w0.gzdio' "$1.spec" >build.log 2>&1 ||
    { cat build.log >&2; exit 1; }
}
make_all() {
  local v w; w=$(mktemp -d); cd "$w"; mkdir -p $R/1 $R/2
  mk lab-base 1 'Provides: /bin/sh
Provides: /usr/bin/sh
Provides: system-release = 9
Provides: system-release(releasever) = 9'
  for v in 1 2; do
    for p in toy toyhold toylib; do mk $p $v; done
    mk kernel-core $v 'Provides: installonlypkg(kernel)'
    mk toyconf $v '' "%install
mkdir -p %{buildroot}/etc; echo 'setting = $v' >%{buildroot}/etc/toyconf-rpm.conf" '%config(noreplace) /etc/toyconf-rpm.conf'
    mk toyd $v '' "%install
mkdir -p %{buildroot}/usr/lib/toyd %{buildroot}/usr/lib/systemd/system; cp /bin/sleep %{buildroot}/usr/lib/toyd/toyd-sleep
printf '[Service]\nExecStart=/usr/lib/toyd/toyd-sleep 100000\n' >%{buildroot}/usr/lib/systemd/system/toyd.service" '/usr/lib/toyd/toyd-sleep
/usr/lib/systemd/system/toyd.service'
  done
  mk toyslow 1; mk toyslow 2 '' '%post
sleep $(cat /etc/toyslow 2>/dev/null || echo 20)'
  mk toyfail 1; mk toyfail 2 '' '%pretrans -p <lua>
if not posix.stat("/etc/toyfail-ok") then error("toyfail: refused") end'
  mk toypost 1; mk toypost 2 '' '%post
[ -e /etc/toypost-ok ] || { echo "toypost: cannot set up" >&2; exit 1; }'
  mk toynew 1; mk toydep 2; mk toynew 2 'Requires: toydep'
  cp -n $R/1/*.rpm $R/2/
  cat >updateinfo.xml <<X
<updates><update from="lab" status="stable" type="security" version="1"><id>LAB-1</id><title>toylib</title>
<issued date="2026-01-01 00:00:00"/><severity>Important</severity><description>a hole</description>
<pkglist><collection short="lab"><name>lab</name><package name="toylib" version="2" release="1" epoch="0" arch="noarch" src="toylib-2-1.src.rpm">
<filename>toylib-2.rpm</filename></package></collection></pkglist></update></updates>
X
  for v in 1 2; do createrepo_c -q $R/$v; done
  modifyrepo_c updateinfo.xml $R/2/repodata >/dev/null
  cd /; rm -rf "$w" /root/rpmbuild
  mkdir -p /etc/yum.repos.d /etc/dnf/vars; ln -sfn 2 $R/cur
  printf '[toy]\nname=toy\nbaseurl=file://%s/cur\ngpgcheck=0\nenabled=1\n' $R >/etc/yum.repos.d/toy.repo
  echo 9 >/etc/dnf/vars/releasever
  sed -i 's/^enabled.*/enabled = false/' /etc/dnf/*plugins/local.conf # it wants signed packages
  dnf -q -y --releasever=9 install lab-base
}
reset() {
  local old
  rm -f /etc/toyfail-ok /etc/toypost-ok /etc/toyslow; [ ! -d /etc/dnf/plugins ] || echo -n >/etc/dnf/plugins/versionlock.list
  rm -f /etc/dnf/versionlock.toml
  printf '[toy]\nname=toy\nbaseurl=file://%s/cur\ngpgcheck=0\nenabled=1\n' $R >/etc/yum.repos.d/toy.repo
  old=$(rpm -qa 'toy*' kernel-core); [ -z "$old" ] || rpm -e --noscripts $old
  rm -f /etc/toyconf-rpm.conf*
  rpm -i --noscripts $(printf "$R/1/%s-1.rpm " "${NAMES[@]}")
  systemctl daemon-reload; systemctl restart toyd
}
case ${1:-} in make) make_all ;; reset) reset ;; *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;; esac
