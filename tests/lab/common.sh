# shellcheck shell=bash disable=SC2034
# Sourced by the scripts of this folder: settings and small helpers.
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=${LAB_WORK:-/var/tmp/hlrun-lab}
KEY=$WORK/id_ed25519
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
mkdir -p "$WORK"

SSH=(ssh -i "$KEY" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
  -o LogLevel=ERROR -o ConnectTimeout=5 -o BatchMode=yes -F /dev/null)

die() { echo "lab: $*" >&2; exit 1; }

# need PKG...: install what is missing; patient while somebody else holds apt's locks.
need() {
  local miss=() p i
  for p; do dpkg -s "$p" 2>/dev/null | grep -q '^Status: install ok installed' || miss+=("$p"); done
  [ ${#miss[@]} -gt 0 ] || return 0
  for i in 1 2 3; do
    NEEDRESTART_SUSPEND=1 apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 \
      "${miss[@]}" </dev/null >"$WORK/apt.log" 2>&1 && return
    apt-get update -qq >>"$WORK/apt.log" 2>&1 || sleep 5
  done
  die "cannot install ${miss[*]}; see $WORK/apt.log"
}

# The Debian mirror this machine uses, read from apt's configuration (LAB_MIRROR, LAB_SECURITY_MIRROR override).
mirrors() { apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null; }
mirror() { local m; m=${LAB_MIRROR:-$(mirrors | awk '$1=="Debian" && $2=="Debian" {print $3; exit}')}
  [ -n "$m" ] || die "apt here knows no Debian mirror (run apt-get update, or set LAB_MIRROR)"; echo "$m"; }
security_mirror() { echo "${LAB_SECURITY_MIRROR:-$(mirrors | awk '$2=="Debian-Security" {print $3; exit}')}"; }
# sources SUITE [COMPONENT]: the text of a sources.list for main and this.
sources() {
  local m s of="main${2:+ $2}"; m=$(mirror); s=$(security_mirror)
  printf "deb %s %s $of\\n" "$m" "$1" "$m" "$1-updates"
  [ -z "$s" ] || printf "deb %s %s $of\\n" "$s" "$1-security"
}

lab_key() { [ -f "$KEY" ] || ssh-keygen -q -t ed25519 -N '' -C hlrun-lab -f "$KEY"; }

# The lab's bridge. Internal: nothing in a host reaches beyond this machine.
lab_net() {
  docker network inspect labnet >/dev/null 2>&1 ||
    docker network create --internal --subnet 172.30.0.0/16 --gateway 172.30.0.1 \
      -o com.docker.network.bridge.name=br-hlrun labnet >/dev/null
}
# The address of a host: a container, or a virtual machine of vm.sh.
ip_of() { cat "$WORK/vm/$1.ip" 2>/dev/null || docker inspect -f '{{.NetworkSettings.Networks.labnet.IPAMConfig.IPv4Address}}' "$1"; }
