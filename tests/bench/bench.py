#!/usr/bin/env python3
"""Measures the tools (see run.sh, which calls this) and prints the table.

Runs are interleaved (every tool once, then every tool again) and medians are shown. Everything a tool leaves behind
(ssh masters, temporary folders) is ended and removed before the next one starts, so every run is cold unless said
otherwise. CPU and memory are those of the tool and all its processes, ssh included; the proxy and the hosts are not in
them, but they share this machine's cores: trust the ratios, not the seconds.
"""
import argparse
import ctypes
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

import work

HERE = pathlib.Path(__file__).resolve().parent
LAB = HERE.parent / "lab" / "lab.sh"
WORK = pathlib.Path(os.environ.get("LAB_WORK", "/var/tmp/hlrun-lab"))
DIR = WORK / "bench"
RUN = DIR / "run"  # made new for every run; short, because sockets live in it
VENV = WORK / "venv"
HLRUN = pathlib.Path(os.environ.get("HLRUN", HERE.parent.parent / "target/release/hlrun")).absolute()
KEY = WORK / "id_ed25519"
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
TOOLS = ["limit", "limit-warm", "bash", "hlrun-first", "hlrun", "hlrun-warm", "pyinfra", "mitogen", "ansible"]


# --- measuring a tree of processes -----------------------------------------------------------------------------------

def tree(but):
    """Our living descendants, except `but` and theirs."""
    found, todo = [], [os.getpid()]
    while todo:
        pid = todo.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                for child in map(int, open(f"/proc/{pid}/task/{task}/children").read().split()):
                    if child not in but:
                        found.append(child)
                        todo.append(child)
        except OSError:
            pass  # gone meanwhile
    return found


def rss(pids):
    total = 0
    for pid in pids:
        try:
            total += int(open(f"/proc/{pid}/statm").read().split()[1]) * PAGE
        except OSError:
            pass
    return total


def pss(pids):
    """Memory with shared pages counted once."""
    total = 0
    for pid in pids:
        try:
            total += int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{pid}/smaps_rollup").read(), re.M)[1]) * 1024
        except (OSError, TypeError):
            pass
    return total


def cpu(but):
    """CPU seconds of all descendants so far: the ended ones, and those alive."""
    while True:  # collect orphans that ended; we are their parent (see become_reaper)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime + ended.ru_stime
    for pid in tree(but):
        try:
            total += int(open(f"/proc/{pid}/schedstat").read().split()[0]) / 1e9
            children = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[13:15]
            total += sum(map(int, children)) / TICK
        except (OSError, IndexError):
            pass
    return total


class MemoryPeak(threading.Thread):
    """Samples the tree. The exact figure is dear, so it is taken only where the rough one reaches a new height."""

    def __init__(self, but):
        super().__init__(daemon=True)
        self.but, self.rough, self.peak, self.done = but, 0, 0, threading.Event()

    def run(self):
        pause = 0.02
        while not self.done.wait(pause):
            start = time.monotonic()
            pids = tree(self.but)
            now = rss(pids)
            if now > self.rough * 1.03:
                self.rough, self.peak = now, max(self.peak, pss(pids))
            pause = max(0.02, 20 * (time.monotonic() - start))


def become_reaper():
    """Processes that detach themselves (ssh masters) become our children, not init's: they stay in the tree."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit("prctl failed")


def end_leftovers(but):
    for sig in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(100):
            pids = tree(but)
            if not pids:
                return
            for pid in pids:
                try:
                    os.kill(pid, sig)
                    os.waitpid(pid, os.WNOHANG)
                except OSError:
                    pass
            time.sleep(0.02)


def measure(command, env, proxy, warm, reset=lambda: None):
    """One run: wall and CPU seconds, peak memory, turns, exit code, output. `warm`: run once before, unmeasured."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(mode=0o700)
    env = {**os.environ, "LC_ALL": "C.UTF-8", "RUN_DIR": str(RUN), **env}
    but = {proxy.pid} if proxy else set()
    log = DIR / "last-output.txt"
    for measured in [False, True] if warm else [True]:
        reset()
        memory = MemoryPeak(but)
        turns(proxy)
        before = cpu(but)
        with open(log, "wb") as out:
            start = time.monotonic()
            child = subprocess.Popen(command, env=env, cwd=RUN, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            memory.start()
            code = child.wait()
            wall = time.monotonic() - start
        memory.done.set()
        memory.join()
        result = dict(wall=wall, cpu=cpu(but) - before, mem=memory.peak, turns=turns(proxy), code=code,
                      output=log.read_text(errors="replace"))
    end_leftovers(but)
    return result


def turns(proxy):
    if not proxy:
        return None
    proxy.stdin.write("turns\n")
    proxy.stdin.flush()
    return int(proxy.stdout.readline())


# --- hosts and what each tool wants to be told about them ------------------------------------------------------------

def fleet(count, prefix):
    subprocess.run([LAB, "up", str(count), prefix, "lab/trixie-python"], check=True)
    listing = subprocess.run([LAB, "ls"], check=True, capture_output=True, text=True).stdout
    hosts = [line.split()[:2] for line in listing.splitlines() if re.fullmatch(prefix + r"\d+", line.split()[0])]
    return hosts[:count]  # [name, address]


def start_proxy(delay, hosts):
    proxy = subprocess.Popen([sys.executable, HERE / "delay-proxy.py", str(delay)] + [f"{a}:22" for _, a in hosts],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return proxy, json.loads(proxy.stdout.readline())


def write_files(hosts, real):
    """Inventories, host list and known_hosts for this setting; returns ssh's options.
    hosts: [(name, address, port)] to connect to; real: name -> the host's own address."""
    keys = dict(line.split(" ", 1) for line in (WORK / "known_hosts").read_text().splitlines())
    known = DIR / "known_hosts"
    known.write_text("".join(f"{a if p == 22 else f'[{a}]:{p}'} {keys[real[n]]}\n" for n, a, p in hosts))
    (DIR / "hosts").write_text("".join(f"{a} {p}\n" for _, a, p in hosts))
    options = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]
    (DIR / "inventory.yaml").write_text("all:\n  hosts:\n" + "".join(
        f"    {n}:\n      ansible_host: {a}\n      ansible_port: {p}\n" for n, a, p in hosts)
        + f"  vars:\n    ansible_user: root\n    ansible_ssh_private_key_file: {KEY}\n"
        f"    ansible_ssh_common_args: {' '.join(options)}\n")
    (DIR / "inventory.py").write_text("hosts = " + repr([(n, dict(
        ssh_hostname=a, ssh_port=p, ssh_user="root", ssh_key=str(KEY), ssh_known_hosts_file=str(known),
        ssh_strict_host_key_checking="yes", ssh_allow_agent=False, ssh_look_for_keys=False)) for n, a, p in hosts]) + "\n")
    return ["-F", "/dev/null", "-i", str(KEY), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"] + options


def commands(item, ssh_options):
    """tool -> (argv, environment)"""
    def file(language, ending):
        path = DIR / f"{item}.{ending}"
        path.write_text(work.render(item, language))
        return str(path)

    (DIR / "ansible.cfg").write_text("")  # keeps the user's own away
    ansible = {
        "ANSIBLE_CONFIG": str(DIR / "ansible.cfg"), "ANSIBLE_FORKS": "50", "ANSIBLE_PIPELINING": "1", "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_GATHERING": "explicit", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_HOME": str(DIR / "ansible"), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(RUN), "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "PATH": f"{VENV}/bin:{os.environ['PATH']}",
    }
    plugins = next(VENV.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy"), "none")
    mitogen = {**ansible, "ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
    playbook = [str(VENV / "bin/ansible-playbook"), "-i", str(DIR / "inventory.yaml"), file("ansible", "yml")]
    over_ssh = [str(HERE / "over-ssh.sh")]
    feed = [str(DIR / "hosts"), file("sh", "sh")] + ssh_options
    copies = item in work.COPIES
    limit = ["copy" if copies else "limit"]
    hlrun = [str(HLRUN), "-i", str(DIR / "inventory.yaml"), file("rhai", "rhai"), "-f", "50"]
    own = {"XDG_RUNTIME_DIR": str(RUN), "XDG_STATE_HOME": str(RUN)}
    return {
        "limit": (over_ssh + limit + feed, {}),
        **({"limit-warm": (over_ssh + limit + feed, {})} if copies else {"bash": (over_ssh + ["bash"] + feed, {})}),
        # The first run ever; a later one, which knows what will be read (read-ahead); one within a minute (warm).
        "hlrun-first": (hlrun, {**own, "HLRUN_SSH_PERSIST": "0"}),
        "hlrun": (hlrun, {**own, "HLRUN_SSH_PERSIST": "0"}),
        "hlrun-warm": (hlrun, {**own, "HLRUN_SSH_PERSIST": "60s"}),
        "pyinfra": ([str(VENV / "bin/pyinfra"), "-y", "--parallel", "50", str(DIR / "inventory.py"),
                     file("pyinfra", "py")], {}),
        "mitogen": (playbook, mitogen),
        "ansible": (playbook, ansible),
    }


def installed(tool):
    needs = {"hlrun-first": HLRUN, "hlrun": HLRUN, "hlrun-warm": HLRUN, "pyinfra": VENV / "bin/pyinfra", "ansible": VENV / "bin/ansible-playbook",
             "mitogen": next(VENV.glob("lib/python3*/site-packages/ansible_mitogen"), pathlib.Path("none"))}
    if tool not in needs or needs[tool].exists():
        return True
    print(f"{tool}: not installed ({needs[tool]}), skipped")
    return False


# --- the run ---------------------------------------------------------------------------------------------------------

def on_hosts(hosts, options, script):
    """What a script prints on each host."""
    return [subprocess.run(["ssh", *options, "-p", str(port), f"root@{address}", script], check=True, text=True,
                           capture_output=True, stdin=subprocess.DEVNULL).stdout for _, address, port in hosts]


def problem(item, result, hosts, options):
    if count := work.COPIES.get(item):
        found = on_hosts(hosts, options, f"find {work.D}/copy -type f | wc -l")
        if wrong := [text.strip() for text in found if int(text) != count]:
            return f"{wrong[0]} files arrived of {count}"
    if result["code"]:
        return f"exit code {result['code']}"
    if item == "conv20" and re.search(r"\bchanged=[1-9]", result["output"]):
        return "changed something: the hosts were not converged, or the tool disagrees"


def table(item, delay, count, results):
    print(f"\n{item}, {count} host{'s' * (count > 1)}, {delay:g} ms each way")
    print(f"{'tool':<11}{'wall s':>9}{'cpu s':>9}{'MB':>7}{'turns':>7}{'x limit':>9}{'x hlrun':>9}   runs")
    middle = {t: {k: statistics.median(r[k] for r in rs) if rs[0][k] is not None else None
                  for k in ("wall", "cpu", "mem", "turns")} for t, rs in results.items() if rs}
    ratio = lambda m, base: f"{m['wall'] / middle[base]['wall']:9.2f}" if base in middle else f"{'-':>9}"
    for tool, m in middle.items():
        round_trips = "-" if m["turns"] is None else f"{m['turns'] / count:.0f}"
        print(f"{tool:<11}{m['wall']:9.2f}{m['cpu']:9.2f}{m['mem'] / 1e6:7.0f}{round_trips:>7}"
              f"{ratio(m, 'limit-warm' if 'warm' in tool and 'limit-warm' in middle else 'limit')}{ratio(m, 'hlrun')}   " + " ".join(f"{r['wall']:.2f}" for r in results[tool]), flush=True)


def main():
    numbers = lambda kind: lambda text: [kind(x) for x in text.split(",")]
    p = argparse.ArgumentParser()
    p.add_argument("--hosts", type=numbers(int), default=[1, 10, 50])
    p.add_argument("--delay", type=numbers(float), default=[0, 5])
    p.add_argument("--work", type=numbers(str), default=list(work.WORK))
    p.add_argument("--tools", type=numbers(str), default=TOOLS)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--prefix", default="bench")
    args = p.parse_args()
    for given, known in ((args.tools, TOOLS), (args.work, list(work.WORK))):
        if unknown := set(given) - set(known):
            p.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    tools = [t for t in TOOLS if t in args.tools and installed(t)]

    DIR.mkdir(parents=True, exist_ok=True)
    work.make_copies(DIR)
    hosts_up = fleet(max(args.hosts), args.prefix)
    become_reaper()
    print("medians; cpu and MB of the tool with all its processes; turns: round trips per host;"
          " x: wall time divided by that tool's", flush=True)
    failed = False
    with open(DIR / "results.jsonl", "a") as raw:
        for delay in args.delay:
            for count in args.hosts:
                hosts, proxy = [(n, a, 22) for n, a in hosts_up[:count]], None
                if delay:
                    proxy, ports = start_proxy(delay, hosts_up[:count])
                    hosts = [(n, "127.0.0.1", port) for (n, _, _), port in zip(hosts, ports)]
                options = write_files(hosts, dict(hosts_up))
                for item in args.work:
                    todo = commands(item, options)
                    results, broken = {t: [] for t in tools}, set()
                    if item == "conv20":  # converge, unmeasured
                        measure(*todo["limit"], proxy, False)
                    def reset():
                        if item in work.COPIES:
                            on_hosts(hosts, options, f"rm -rf {work.D}/copy; mkdir -p {work.D}/copy; sync")
                    for _ in range(args.runs):
                        for tool in [t for t in tools if t in todo and t not in broken]:
                            r = measure(*todo[tool], proxy, tool in ("hlrun", "hlrun-warm", "limit-warm"), reset)
                            bad = problem(item, r, hosts, options)
                            output = r.pop("output")
                            print(json.dumps(dict(item=item, delay=delay, hosts=count, tool=tool, bad=bad, **r)), file=raw, flush=True)
                            if bad:
                                failed = True
                                broken.add(tool)
                                print(f"\n{tool}, {item}, {count} hosts: {bad}; its last words:\n" + output[-1500:])
                            else:
                                results[tool].append(r)
                    table(item, delay, count, results)
                if proxy:
                    proxy.stdin.close()
                    proxy.wait()
    sys.exit(failed)


if __name__ == "__main__":
    main()
