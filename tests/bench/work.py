#!/usr/bin/env python3
"""The work items, written once and printed in the language of each tool.

usage: work.py noop|cmd20|conv20|file10m|tree500 sh|rhai|ansible|pyinfra
"""
import hashlib
import json
import os
import random
import sys

D = "/srv/bench"
HERE = f"{os.environ.get('LAB_WORK', '/var/tmp/hlrun-lab')}/bench"  # where the playbooks are
CONTENT = {f"{D}/d1/f{i}.conf": "".join(f"key{j} = value {i}.{j}\n" for j in range(20)) for i in range(1, 6)}

WORK = {
    "noop": [("command", "true")],
    "cmd20": [("command", "true")] * 20,
    "file10m": [("copy", f"{D}/copy/file10m", "file10m")],
    "tree500": [("tree", f"{D}/copy/tree500", "tree500")],
    "conv20": [("directory", f"{D}/d{i}", "0755") for i in (1, 2, 3)]
    + [("file", path, "0644") for path in CONTENT]
    + [("package", name) for name in ("sudo", "cron", "procps")]
    + [("running", name) for name in ("cron", "ssh", "dbus")]
    + [("line", f"{D}/lines.conf", line) for line in ("alpha = 1", "beta = 2")]
    + [("link", f"{D}/l{i}", f"{D}/d{i}") for i in (1, 2)]
    + [("absent", f"{D}/gone{i}") for i in (1, 2)],
}
assert len(WORK["conv20"]) == 20

# What is copied, made beside the playbooks, and how many files that is. Before each run the host has none of it.
COPIES = {"file10m": 1, "tree500": 500}


def make_copies(folder):
    chance = random.Random(1)
    (folder / "file10m").write_bytes(chance.randbytes(10 << 20))
    for i in range(COPIES["tree500"]):
        path = folder / f"tree500/d{i % 10}/f{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randint(100, 8000)))


def sh(kind, a, b=None):
    """One line of shell: look, and act only where needed."""
    if kind == "command":
        return a
    if kind == "directory":
        return f"""[ "$(stat -c '%F %a' {a} 2>/dev/null)" = 'directory {b[1:]}' ] || {{ mkdir -p {a} && chmod {b} {a}; }}"""
    if kind == "file":
        digest = hashlib.sha256(CONTENT[a].encode()).hexdigest()
        text = CONTENT[a].replace("\n", "\\n")
        return (f"""[ "$(stat -c %a {a} 2>/dev/null) $(sha256sum 2>/dev/null <{a})" = '{b[1:]} {digest}  -' ]"""
                f""" || {{ printf '{text}' >{a} && chmod {b} {a}; }}""")
    if kind == "package":
        return f"dpkg-query -W -f '${{Status}}' {a} 2>/dev/null | grep -q 'install ok installed' || apt-get install -y -qq {a}"
    if kind == "running":
        return f"systemctl is-active -q {a} || systemctl start {a}"
    if kind == "line":
        return f"grep -qxF '{b}' {a} 2>/dev/null || echo '{b}' >>{a}"
    if kind == "link":
        return f"""[ "$(readlink {a})" = {b} ] || ln -sfn {b} {a}"""
    if kind in ("copy", "tree"):
        return f"{kind} {HERE}/{b} {a}"  # for over-ssh.sh
    return f"[ ! -e {a} ] || rm -rf {a}"


def rhai(kind, a, b=None):
    q = json.dumps
    return {
        "command": lambda: f"shell::run({q(a)});",
        "directory": lambda: f"file::directory({q(a)}, #{{ mode: {q(b)} }});",
        "file": lambda: f"file::file({q(a)}, #{{ content: {q(CONTENT[a])}, mode: {q(b)} }});",
        "package": lambda: f"apt::installed({q(a)});",
        "running": lambda: f"systemd::running({q(a)});",
        "line": lambda: f"file::line({q(a)}, #{{ line: {q(b)} }});",
        "link": lambda: f"file::link({q(a)}, #{{ target: {q(b)} }});",
        "absent": lambda: f"file::absent({q(a)});",
        "copy": lambda: f"file::file({q(a)}, #{{ src: {q(b)} }});",
        "tree": lambda: f"file::tree({q(a)}, #{{ src: {q(b)} }});",
    }[kind]()


def ansible(kind, a, b=None):
    name, args = {
        "command": ("shell", {"cmd": a}),
        "directory": ("file", {"path": a, "state": "directory", "mode": b}),
        "file": ("copy", {"dest": a, "content": CONTENT.get(a), "mode": b}),
        "package": ("apt", {"name": a, "state": "present"}),
        "running": ("systemd_service", {"name": a, "state": "started"}),
        "line": ("lineinfile", {"path": a, "line": b}),
        "link": ("file", {"path": a, "src": b, "state": "link"}),
        "absent": ("file", {"path": a, "state": "absent"}),
        "copy": ("copy", {"dest": a, "src": f"{HERE}/{b}"}),
        "tree": ("copy", {"dest": f"{a}/", "src": f"{HERE}/{b}/"}),
    }[kind]
    return {f"ansible.builtin.{name}": args}


def pyinfra(kind, a, b=None):
    q = repr
    return {
        "command": lambda: f"server.shell(commands=[{q(a)}])",
        "directory": lambda: f"files.directory(path={q(a)}, mode={q(b[1:])})",
        "file": lambda: f"files.put(src=io.StringIO({q(CONTENT[a])}), dest={q(a)}, mode={q(b[1:])})",
        "package": lambda: f"apt.packages(packages=[{q(a)}])",
        "running": lambda: f"systemd.service(service={q(a + '.service')}, running=True)",
        "line": lambda: f"files.line(path={q(a)}, line={q(b)})",
        "link": lambda: f"files.link(path={q(a)}, target={q(b)})",
        "absent": lambda: f"files.file(path={q(a)}, present=False)",
        "copy": lambda: f"files.put(src={q(f'{HERE}/{b}')}, dest={q(a)})",
        "tree": lambda: f"files.sync(src={q(f'{HERE}/{b}')}, dest={q(a)})",
    }[kind]()


def render(item, language):
    ops = WORK[item]
    if language == "sh":
        return "".join(sh(*op) + "\n" for op in ops)
    if language == "rhai":
        return f'play("{item}", "all", |host| {{\n' + "".join(f"    {rhai(*op)}\n" for op in ops) + "});\n"
    if language == "ansible":  # JSON is YAML
        return json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [ansible(*op) for op in ops]}], indent=1)
    return "import io\nfrom pyinfra.operations import apt, files, server, systemd\n" + "".join(pyinfra(*op) + "\n" for op in ops)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in WORK:
        sys.exit(__doc__.strip())
    print(render(sys.argv[1], sys.argv[2]), end="")
