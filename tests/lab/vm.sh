#!/bin/bash
# Virtual machines of the lab: Debian with a kernel of its own and its root file system on ZFS, on the same bridge as the
# container hosts. QEMU emulates them, so no /dev/kvm is needed; a boot takes about a minute. Run as root.
# usage: vm.sh image          build what they are made of (about 8 min on 2 cores, once)
#        vm.sh up [NAME..]    have them running and answering (zfs01)
#        vm.sh down [NAME..]  end them and drop their disks
#        vm.sh ip NAME        its address
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
SUITE=trixie
PACKAGES=linux-image-cloud-amd64,initramfs-tools,zstd,systemd,systemd-sysv,udev,dbus,openssh-server,sudo,cron,iproute2,procps,ca-certificates,apt-utils,kmod,libnss-myhostname,zfsutils-linux,zfs-initramfs
VM=$WORK/vm; mkdir -p "$VM"

# ZFS for Debian's kernel, compiled here: emulated, that would take an hour.
modules() {
  [ ! -f "$VM/zfs.tar" ] || return 0
  local r=$VM/build
  rm -rf "$r"
  sources $SUITE contrib | mmdebstrap --mode=root --variant=apt --quiet --aptopt='Apt::Install-Recommends "false"' \
    --include=linux-headers-cloud-amd64,dkms,gcc,make,libc6-dev,xz-utils,kmod,zfs-dkms $SUITE "$r" - >"$WORK/zfs.log" 2>&1 ||
    die "cannot compile ZFS; see $WORK/zfs.log"
  # Without xz: nothing unpacks it while an emulated machine boots.
  find "$r"/lib/modules/*/updates -name '*.ko.xz' -exec xz -d {} +
  tar -C "$r" -cf "$VM/zfs.tar.part" "$(cd "$r" && echo lib/modules/*/updates)"
  mv "$VM/zfs.tar.part" "$VM/zfs.tar"; rm -rf "$r"
}

# The tree of a machine. Most of what systemd would start costs seconds at each emulated boot and is not what is tested.
tree() {
  local r=$VM/tree
  rm -rf "$r"
  cat >"$VM/hook" <<H
set -eu
tar -C "\$1" --keep-directory-symlink -xf "$VM/zfs.tar"
kernel=\$(ls "\$1/lib/modules"); chroot "\$1" depmod -a "\$kernel"
printf 'virtio_blk\nvirtio_pci\nvirtio_net\next4\n' >>"\$1/etc/initramfs-tools/modules"
sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=zstd/' "\$1/etc/initramfs-tools/initramfs.conf"
chroot "\$1" useradd -m -s /bin/bash admin; echo 'admin ALL=(ALL) NOPASSWD: ALL' >"\$1/etc/sudoers.d/admin"
for home in root home/admin; do
  mkdir -p -m 700 "\$1/\$home/.ssh"; cp "$KEY.pub" "\$1/\$home/.ssh/authorized_keys"; done
chroot "\$1" chown -R admin: /home/admin
echo 'UseDNS no' >"\$1/etc/ssh/sshd_config.d/lab.conf"
: >"\$1/etc/fstab"; : >"\$1/etc/machine-id"
: >"\$1/etc/resolv.conf" # nobody answers here, and sudo would wait for it
chroot "\$1" zgenhostid -f 00bab10c
printf '[Match]\nName=e*\n[Network]\nLinkLocalAddressing=no\n' >"\$1/etc/systemd/network/90-lab.network"
chroot "\$1" systemctl -q enable systemd-networkd systemd-network-generator ssh
chroot "\$1" systemctl -q mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer getty@tty1.service \
  serial-getty@ttyS0.service modprobe@drm.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount systemd-pstore.service systemd-hwdb-update.service ldconfig.service systemd-timesyncd.service \
  systemd-update-done.service systemd-journal-catalog-update.service e2scrub_reap.service e2scrub_all.timer
chroot "\$1" systemctl -q set-default multi-user.target
chroot "\$1" update-initramfs -c -k "\$kernel"
H
  sources $SUITE contrib | mmdebstrap --mode=root --variant=minbase --quiet --aptopt='Apt::Install-Recommends "false"' \
    --dpkgopt=path-exclude='/usr/share/doc/*' --dpkgopt=path-exclude='/usr/share/man/*' \
    --dpkgopt=path-exclude='/usr/share/locale/*' --include="$PACKAGES" \
    --customize-hook="sh '$VM/hook' \"\$1\"" $SUITE "$r" - >"$WORK/vm.log" 2>&1 || die "no tree; see $WORK/vm.log"
  cp "$r"/boot/vmlinuz-* "$VM/vmlinuz"; cp "$r"/boot/initrd.img-* "$VM/initrd"
}

# A pool can be made by a kernel only: a machine boots from ext4, makes it on its second disk, and copies itself there.
image() {
  [ ! -f "$VM/pool.img" ] || return 0
  need mmdebstrap e2fsprogs qemu-system-x86 qemu-utils iproute2
  lab_key; modules; tree
  mkfs.ext4 -q -F -O ^has_journal,^metadata_csum -E lazy_itable_init=1 -m 0 -d "$VM/tree" "$VM/first.img" 3G
  rm -f "$VM/pool.img.part"; truncate -s 4G "$VM/pool.img.part"
  start first 250 /dev/vda "file=$VM/first.img,format=raw" "file=$VM/pool.img.part,format=raw"
  on first "set -e
    zpool create -f -o ashift=12 -O mountpoint=none -O compression=lz4 -O acltype=posix -O xattr=sa -R /mnt rpool /dev/vdb
    zfs create -o canmount=off rpool/ROOT
    zfs create -o mountpoint=/ -o canmount=noauto rpool/ROOT/debian; zfs mount rpool/ROOT/debian
    tar -C / --one-file-system --exclude=./mnt -cf - . | tar -C /mnt -xf -; mkdir -p /mnt/mnt
    zpool set bootfs=rpool/ROOT/debian rpool; zpool export rpool" || die "no pool; see $VM/first.console"
  stop first; rm -rf "$VM/first.img" "$VM/tree"
  mv "$VM/pool.img.part" "$VM/pool.img"
}

# start NAME NUMBER ROOT DRIVE..: the address follows from the number.
start() {
  local name=$1 number=$2 root=$3 ip=172.30.250.$2 drives=() drive
  shift 3
  for drive; do drives+=(-drive "$drive,if=virtio,cache=unsafe"); done
  lab_net; echo "$ip" >"$VM/$name.ip"
  ip link show "vt$name" >/dev/null 2>&1 || { ip tuntap add "vt$name" mode tap; ip link set "vt$name" master br-hlrun up; }
  # qemu64 has fewer features to emulate: it boots about a quarter faster than the largest processor.
  qemu-system-x86_64 -name "$name" -M q35,hpet=off -accel tcg,thread=multi,tb-size=512 -cpu qemu64 -m 1024 -nodefaults \
    -display none -no-user-config -kernel "$VM/vmlinuz" -initrd "$VM/initrd" \
    -append "root=$root rw console=ttyS0 quiet net.ifnames=0 mitigations=off systemd.hostname=$name ip=$ip::172.30.0.1:255.255.0.0:$name:eth0:off" \
    "${drives[@]}" -device virtio-rng-pci -serial "file:$VM/$name.console" -pidfile "$VM/$name.pid" -daemonize \
    -netdev "tap,id=n0,ifname=vt$name,script=no,downscript=no" \
    -device "virtio-net-pci,netdev=n0,romfile=,mac=52:54:00:00:00:$(printf %02x "$number")"
  local i; for i in $(seq 600); do on "$name" true 2>/dev/null && return; sleep 0.5; done
  die "$name does not answer; see $VM/$name.console"
}
on() { "${SSH[@]}" "root@$(cat "$VM/$1.ip")" "$2"; }
runs() { [ -f "$VM/$1.pid" ] && kill -0 "$(cat "$VM/$1.pid")" 2>/dev/null; }
stop() {
  local name=$1
  if runs "$name"; then
    on "$name" 'sync; systemctl poweroff' 2>/dev/null || true
    local i; for i in $(seq 60); do runs "$name" || break; sleep 0.5; done
    ! runs "$name" || kill "$(cat "$VM/$name.pid")"
  fi
  ip link del "vt$name" 2>/dev/null || true; rm -f "$VM/$name".{pid,ip,qcow2}
}

up() {
  local name=$1
  ! runs "$name" || return 0
  image
  [ -f "$VM/$name.qcow2" ] || qemu-img create -q -f qcow2 -b "$VM/pool.img" -F raw "$VM/$name.qcow2"
  start "$name" "$((10#${name//[!0-9]/} + 1))" ZFS=rpool/ROOT/debian "file=$VM/$name.qcow2,format=qcow2"
}

cmd=${1:-}; [ $# -eq 0 ] || shift
case $cmd in
  image) image ;;
  up) for name in "${@:-zfs01}"; do up "$name"; done; "$LAB/lab.sh" _keyscan ;;
  down) for name in "${@:-zfs01}"; do stop "$name"; done ;;
  ip) cat "$VM/$1.ip" ;;
  *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
