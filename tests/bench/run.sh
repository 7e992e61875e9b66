#!/bin/bash
# Measures hlrun beside Ansible, Ansible + mitogen, pyinfra and plain ssh, on the same hosts in one run.
# usage: run.sh [--hosts 1,10,50] [--delay 0,5] [--work noop,cmd20,conv20,file10m,tree500] [--runs 3] [--tools ...]
#   tools: limit,limit-warm,bash,hlrun-first,hlrun,hlrun-warm,pyinfra,mitogen,ansible (all); delay in ms, each way.
# env:   HLRUN  the binary (target/release/hlrun)      LAB_WORK  where the lab and the tools live
# The hosts are the lab's, with Python: started as bench01.. if they are not up (lab.sh down bench removes them).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LAB_WORK=${LAB_WORK:-/var/tmp/hlrun-lab} LC_ALL=C.UTF-8
export HLRUN=${HLRUN:-$here/../../target/release/hlrun}
case " $* " in *' -h '* | *' --help '*) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac

# A pair that works together; newer Ansible needs a newer Python than Debian 12 has.
pins=(ansible-core==2.19.14 mitogen==0.3.54 pyinfra==3.10.0)
venv=$LAB_WORK/venv
if [ "$(cat "$venv/pins" 2>/dev/null)" != "${pins[*]}" ]; then
  echo "installing ${pins[*]} into $venv" >&2
  if python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check "${pins[@]}"; then
    echo "${pins[*]}" >"$venv/pins"
  else echo "not installed; continuing without what is missing" >&2; fi
fi
exec python3 "$here/bench.py" "$@"
