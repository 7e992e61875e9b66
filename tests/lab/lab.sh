#!/bin/bash
# The test lab: Debian hosts with systemd and sshd as containers on this machine. Run as root.
# usage: lab.sh tools                        install what the lab needs (Debian packages)
#        lab.sh dockerd                      start a docker engine if none answers
#        lab.sh image [base|python|dnf|dnf5|docker|registry]   build a host image (no-op while its recipe is unchanged)
#        lab.sh up N [PREFIX] [IMAGE]        have N hosts PREFIX01.. running and answering (host, lab/trixie)
#        lab.sh down [PREFIX]                remove them (default: all)
#        lab.sh ls | ip NAME | ssh NAME [CMD..]
#        lab.sh inventory [PREFIX]           YAML inventory of the running hosts
#        lab.sh fault FAULT NAME [ARG]       break a host (list: lab.sh fault); `fault heal NAME` mends it
#        lab.sh images publish [NAME]        images in the registry of rg01, which all hosts know as `registry`
#        lab.sh apt-repo make|publish N|serve|stop|host NAME..
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
SUITE=trixie
PACKAGES=systemd,systemd-sysv,dbus,openssh-server,sudo,cron,iproute2,iputils-ping,procps,ca-certificates,apt-utils,nftables,kmod,git,locales,tzdata,curl,unzip,zip,xz-utils

DOCKER='docker.io docker-cli docker-compose iptables busybox-static'
REGISTRY='docker-registry apache2-utils ntfy prometheus-alertmanager python3-aiosmtpd'
PACMAN='pacman-package-manager makepkg libarchive-tools'
DNF='dnf dnf-plugins-core rpm createrepo-c python3-systemd python3-dbus'
PYTHON='python3 python3-apt python3-debian python3-pip python3-venv'

# Nearly `--privileged`, but without the machine's devices.
RUN_FLAGS=(--cap-add ALL --security-opt seccomp=unconfined
  --security-opt apparmor=unconfined --security-opt systempaths=unconfined
  --device-cgroup-rule 'a *:* rwm' --tmpfs /run:exec --tmpfs /run/lock --tmpfs /tmp:exec
  --pull never --restart unless-stopped --network labnet)

tools() {
  need mmdebstrap busybox-static apt-utils dpkg-dev iproute2 iptables openssh-client procps
  command -v dockerd >/dev/null || install_docker
}

# Debian 12's own docker is old; trixie's runs on it too, except runc (wants a newer glibc), hence the pins.
# Nothing is added to /etc/apt: these calls see lists and preferences of their own.
install_docker() {
  [ "$(. /etc/os-release; echo "${VERSION_CODENAME:-}")" = bookworm ] || { need docker.io; return; }
  local a=$WORK/apt-docker o
  mkdir -p "$a"/{lists/partial,cache/archives/partial}
  { sources bookworm; sources trixie; } >"$a/sources.list"
  cat >"$a/preferences" <<'P'
Package: *
Pin: release n=trixie*
Pin-Priority: 100

Package: docker.io docker-cli containerd
Pin: release n=trixie*
Pin-Priority: 990
P
  o=(-qq -o Dir::Etc::sourcelist="$a/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::lists="$a/lists" -o Dir::Cache="$a/cache" -o Dir::Etc::preferences="$a/preferences"
    -o Dir::Etc::preferencesparts=/dev/null -o DPkg::Lock::Timeout=300)
  apt-get "${o[@]}" update
  apt-get "${o[@]}" install -y --no-install-recommends docker.io docker-cli iptables >"$WORK/apt.log" 2>&1 ||
    die "cannot install docker; see $WORK/apt.log"
}

start_dockerd() {
  if ! docker info >/dev/null 2>&1; then
    setsid nohup dockerd >"$WORK/dockerd.log" 2>&1 </dev/null &
    local i; for i in $(seq 120); do docker info >/dev/null 2>&1 && break; sleep 0.5; done
  fi
  docker version --format 'docker {{.Server.Version}}' || die "dockerd does not answer; see $WORK/dockerd.log"
}

# image FLAVOUR: an image carries a label with the checksum of its recipe (and of the ssh key in it);
# it is rebuilt only when that differs.
image() {
  local flavour=$1 tag want ctx from recipe; lab_key
  case $flavour in
    base)   tag=lab/$SUITE; want=$(cat "$LAB/Dockerfile" "$LAB/lab-init" "$KEY.pub" - <<<"$SUITE $PACKAGES" | cksum) ;;
    python|dnf|dnf5|pacman|docker|registry)
      case $flavour in registry) from=lab/$SUITE-docker; image docker ;; *) from=lab/$SUITE; image base ;; esac
      tag=lab/$SUITE-$flavour; recipe=$("recipe_$flavour")
      want="$(docker image inspect -f '{{.Id}}' "$from") $(cksum <<<"$recipe")" ;;
    *) die "unknown image $flavour" ;;
  esac
  [ "$(docker image inspect -f '{{index .Config.Labels "recipe"}}' "$tag" 2>/dev/null)" != "$want" ] || return 0
  echo "building $tag" >&2
  ctx=$WORK/ctx-$flavour; rm -rf "$ctx"; mkdir -p "$ctx"
  if [ "$flavour" = base ]; then
    sources $SUITE | mmdebstrap --mode=root --variant=minbase --quiet --format=tar \
      --aptopt='Apt::Install-Recommends "false"' --dpkgopt=path-exclude='/usr/share/doc/*' \
      --dpkgopt=path-exclude='/usr/share/man/*' --dpkgopt=path-exclude='/usr/share/locale/*' \
      --include="$PACKAGES" $SUITE "$ctx/rootfs.tar" -
    cp "$LAB/Dockerfile" "$LAB/lab-init" "$ctx"; cp "$KEY.pub" "$ctx/authorized_keys"
    build "$tag" "$want" --network none "$ctx"
  else # the network of this build is the machine's, for apt only
    mkdir -p "$ctx"; printf 'FROM %s\n%s\n' "$from" "$recipe" >"$ctx/Dockerfile"; cp "$LAB/rpms.sh" "$LAB/pacs.sh" "$ctx"
    build "$tag" "$want" --network host "$ctx"
  fi
  rm -rf "$ctx"
}
install() { echo "RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends $* && apt-get clean && rm -rf /var/lib/apt/lists/*"; }
recipe_python() { install $PYTHON; }
# An engine of its own inside; what it keeps is no layer on a layer, and goes with the host.
recipe_docker() { install $DOCKER; cat <<'D'
RUN echo '{"insecure-registries": ["172.30.0.0/16"]}' >/etc/docker/daemon.json && usermod -aG docker pw
VOLUME /var/lib/docker /var/lib/containerd
D
}
# A registry: port 5000 for everybody, port 5001 for ann with lab-pw-3. And who takes messages: ntfy on 2586 (ann, lab-pw-3),
# Alertmanager on 9093, and a mail server on 2525, which keeps letters in /var/lib/letters.
recipe_registry() { install $REGISTRY; cat <<'D'
RUN cd /etc/docker/registry && htpasswd -Bbn ann lab-pw-3 >htpasswd \
 && printf 'version: 0.1\nstorage: { filesystem: { rootdirectory: /var/lib/registry-open }, delete: { enabled: true } }\nhttp: { addr: ":5000" }\n' >config.yml \
 && printf 'version: 0.1\nstorage: { filesystem: { rootdirectory: /var/lib/registry-private } }\nhttp: { addr: ":5001" }\nauth: { htpasswd: { realm: lab, path: /etc/docker/registry/htpasswd } }\n' >private.yml \
 && printf '[Unit]\nAfter=network.target\n[Service]\nExecStart=/usr/bin/docker-registry serve /etc/docker/registry/private.yml\nRestart=always\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/registry-private.service \
 && mkdir -p /var/lib/registry-open /var/lib/registry-private && chown -R docker-registry: /var/lib/registry-open \
 && systemctl -q enable docker-registry registry-private
RUN printf 'base-url: http://registry:2586\nlisten-http: ":2586"\ncache-file: /var/cache/ntfy/cache.db\nauth-file: /var/lib/ntfy/user.db\nauth-default-access: deny-all\n' >/etc/ntfy/server.yml \
 && mkdir -p /var/lib/ntfy /var/cache/ntfy && { ntfy serve >/dev/null 2>&1 & server=$!; until NTFY_PASSWORD=lab-pw-3 ntfy user add --role=admin ann 2>/dev/null; do sleep 0.2; done; kill $server; } \
 && chown -R _ntfy: /var/lib/ntfy /var/cache/ntfy \
 && mkdir /var/lib/letters && chown nobody: /var/lib/letters \
 && printf '[Service]\nUser=nobody\nExecStart=/usr/bin/python3 -m aiosmtpd -n -l 0.0.0.0:2525 -c aiosmtpd.handlers.Mailbox /var/lib/letters/box\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/letters.service \
 && echo 'ARGS="--cluster.listen-address="' >/etc/default/prometheus-alertmanager \
 && systemctl -q enable ntfy letters prometheus-alertmanager
D
}
# dnf 4 with an rpm database of its own; apt-get goes, so that dnf is what this host has (and Python is dnf's).
recipe_dnf() { install $DNF; cat <<D
COPY rpms.sh /usr/local/sbin/toys
RUN toys make && rm /usr/bin/apt-get /usr/bin/apt # $(cksum <"$LAB/rpms.sh")
D
}
# dnf 5, as Fedora has it. Debian's next release has it too, and what it needs of that.
recipe_dnf5() { cat <<D
RUN echo 'deb $(mirror) forky main' >/etc/apt/sources.list.d/forky.list \\
 && apt-get -o Acquire::Check-Valid-Until=false update -qq \\
 && apt-get install -y -qq --no-install-recommends -t forky dnf5 rpm createrepo-c && apt-get clean \\
 && rm -rf /var/lib/apt/lists/* /etc/apt/sources.list.d/forky.list && ln -s dnf5 /usr/bin/dnf
COPY rpms.sh /usr/local/sbin/toys
RUN toys make && rm /usr/bin/apt-get /usr/bin/apt # $(cksum <"$LAB/rpms.sh")
D
}
# pacman with a database of its own, likewise.
recipe_pacman() { install $PACMAN; cat <<D
COPY pacs.sh /usr/local/sbin/toys
RUN toys make && rm /usr/bin/apt-get /usr/bin/apt # $(cksum <"$LAB/pacs.sh")
D
}
build() { local tag=$1 recipe=$2; shift 2
  docker build -t "$tag" --label recipe="$recipe" "$@" >"$WORK/build.log" 2>&1 || die "build of $tag failed; see $WORK/build.log"; }

# Fixed addresses, or hosts that reboot together could swap theirs: 172.30.<from the prefix>.<number + 1>.
third() { echo $(($(printf %s "$1" | cksum | cut -d' ' -f1) % 240 + 1)); }
start_host() {
  local name=$1 prefix=$2 image=$3 n
  case $(docker inspect -f '{{.State.Status}}' "$name" 2>/dev/null || true) in
    running) ;;
    paused) docker unpause "$name" >/dev/null ;;
    '') n=$((10#${name#"$prefix"}))
        docker run -d "${RUN_FLAGS[@]}" --name "$name" --hostname "$name" --label hlrun-lab="$prefix" \
          --ip "172.30.$(third "$prefix").$((n + 1))" --add-host "registry:172.30.$(third rg).2" "$image" >/dev/null ;;
    *) docker start "$name" >/dev/null ;;
  esac
}
wait_ssh() { local i ip; ip=$(ip_of "$1")
  for i in $(seq 300); do "${SSH[@]}" "root@$ip" true 2>/dev/null && return; sleep 0.2; done
  die "$1 does not answer over ssh"; }

up() {
  local n=$1 prefix=${2:-host} image=${3:-lab/$SUITE} names
  case $image in "lab/$SUITE") image base ;; "lab/$SUITE-"*) image "${image#"lab/$SUITE-"}" ;; esac
  lab_key; lab_net
  # The default of 128 inotify instances is too few for about 25 systemds.
  [ "$(cat /proc/sys/fs/inotify/max_user_instances)" -ge 4096 ] || sysctl -qw fs.inotify.max_user_instances=4096
  names=$(for i in $(seq "$n"); do printf '%s%02d\n' "$prefix" "$i"; done)
  xargs -P4 -I{} "$LAB/lab.sh" _start {} "$prefix" "$image" <<<"$names"
  xargs -P4 -I{} "$LAB/lab.sh" _wait {} <<<"$names"
  keyscan
}
# known_hosts of every running host, replaced in one step; who does not answer now keeps the key that it had.
keyscan() {
  local t old=; t=$(mktemp "$WORK/known_hosts.XXXX")
  { running | while read -r name; do ip_of "$name"; done; cat "$WORK"/vm/*.ip 2>/dev/null || true; } |
    ssh-keyscan -t ed25519 -f - 2>/dev/null >"$t" || true
  [ ! -f "$WORK/known_hosts" ] ||
    old=$(awk 'FILENAME == ARGV[1] { new[$1]; next } !($1 in new)' "$t" "$WORK/known_hosts")
  [ -z "$old" ] || echo "$old" >>"$t"
  chmod 644 "$t"; mv "$t" "$WORK/known_hosts"
}
running() { docker ps --filter status=running --filter "label=hlrun-lab${1:+=$1}" --format '{{.Names}}' | sort; }

down() {
  local ids; ids=$(docker ps -aq --filter "label=hlrun-lab${1:+=$1}")
  [ -z "$ids" ] || docker rm -f -v $ids >/dev/null
}
ls_hosts() {
  docker ps -a --filter label=hlrun-lab --format '{{.Names}}' | sort | while read -r name; do
    echo "$name $(ip_of "$name") $(docker inspect -f '{{.State.Status}} {{.Config.Image}}' "$name")"; done
}
inventory() {
  echo 'all:'; echo '  hosts:'
  running "${1:-}" | while read -r name; do
    printf '    %s:\n      ansible_host: %s\n      ansible_user: root\n      ansible_ssh_private_key_file: %s\n' \
      "$name" "$(ip_of "$name")" "$KEY"; done
}

cmd=${1:-}; [ $# -eq 0 ] || shift
case $cmd in
  tools) tools ;;
  dockerd) start_dockerd ;;
  image) for f in "${@:-base}"; do image "$f"; done ;;
  up) up "$@" ;;
  down) down "$@" ;;
  ls) ls_hosts ;;
  ip) ip_of "$1" ;;
  ssh) name=$1; shift; exec "${SSH[@]}" "root@$(ip_of "$name")" "$@" ;;
  inventory) inventory "$@" ;;
  fault) exec "$LAB/fault.sh" "$@" ;;
  images) exec "$LAB/images.sh" "$@" ;;
  apt-repo) exec "$LAB/apt-repo.sh" "$@" ;;
  _keyscan) keyscan ;;
  _start) start_host "$@" ;;
  _wait) wait_ssh "$@" ;;
  *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
