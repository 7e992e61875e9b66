#!/bin/bash
# Images for the docker hosts of the lab, in the registry of rg01: a web server of busybox that says who it is.
# usage: images.sh publish [NAME]   toy:1, toy:2 and toy:sick for everybody (port 5000), toy:private for ann (port 5001),
#                                   and toy:latest, which is NAME: one (the default), two, or sick (never healthy)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ "${1:-}" = publish ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

"${SSH[@]}" "root@$(ip_of rg01)" bash -s "${2:-one}" <<'S' || die "no images; is rg01 up? lab.sh up 1 rg lab/trixie-registry"
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
exec 3>&1 >build.log 2>&1; trap '[ $? = 0 ] || cat build.log >&3' EXIT
# Healthy at once, and then hardly looked at: a look a second in each container is what slows the lab down.
well='--start-period=1m --start-interval=300ms CMD ["/bin/busybox", "wget", "-qO-", "http://127.0.0.1/"]'
sick='--interval=1s --start-period=1s --retries=2 CMD ["/bin/busybox", "false"]'
build() { # build NAME CHECK
  rm -rf www; mkdir www; echo "I am $1" >www/index.html; cp /bin/busybox .
  cat >Dockerfile <<D
FROM scratch
COPY busybox /bin/busybox
COPY www /www
ENV TOY=$1
LABEL toy=$1
EXPOSE 80
STOPSIGNAL SIGKILL
HEALTHCHECK $2
ENTRYPOINT ["/bin/busybox"]
CMD ["httpd", "-f", "-v", "-p", "80", "-h", "/www"]
D
  docker build -q -t "toy-$1" .
}
push() { docker tag "toy-$1" "$2"; docker push -q "$2"; }
docker image inspect toy-two >/dev/null 2>&1 || {
  build one "$well"; build two "$well"; build sick "$sick"
  push one 127.0.0.1:5000/toy:1; push two 127.0.0.1:5000/toy:2; push sick 127.0.0.1:5000/toy:sick
  push one 127.0.0.1:5000/toy:fetched; push two 127.0.0.1:5000/toy:gone
  docker login -u ann -p lab-pw-3 127.0.0.1:5001; push one 127.0.0.1:5001/toy:private
}
push "$1" 127.0.0.1:5000/toy:latest
S
