#!/usr/bin/env python3
"""Asks the real ansible-inventory what every case of the corpus means, and keeps the answers.

    tests/inventory/against_ansible.py [ANSIBLE-INVENTORY]          compare with what is kept; exit 1 if it differs
    tests/inventory/against_ansible.py --update [ANSIBLE-INVENTORY] keep the answers of today

A case is a directory of `corpus`. `args` holds the arguments (`@/` is the case's directory); without it, the file
`hosts*` is the inventory. `expected.json` is what `ansible-inventory --list` prints, or null where it fails.
`stricter`: Ansible takes it, hlrun refuses it on purpose, with this text in the error. Kept answers are of
ansible-core 2.19. `cargo test` compares hlrun with them and needs no Ansible.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"


def arguments(case):
    file = case / "args"
    text = file.read_text() if file.exists() else f"-i @/{next(case.glob('hosts*')).name}"
    return [word.replace("@/", f"{case}/") for word in shlex.split(text)]


def answer(program, case, home):
    env = {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": f"{home}/ansible.cfg",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    }
    # An empty directory: ansible-inventory reads group_vars beside wherever it is started.
    done = subprocess.run([program, "--list", *arguments(case)], cwd=home, env=env, capture_output=True, text=True)
    if "Traceback" in done.stderr:
        raise RuntimeError(done.stderr)
    if done.returncode != 0:
        return None
    return json.loads(done.stdout)


def main():
    words = sys.argv[1:]
    update = "--update" in words
    program = next((word for word in words if word != "--update"), "ansible-inventory")
    cases = sorted(path for path in CORPUS.iterdir() if path.is_dir())
    with tempfile.TemporaryDirectory() as home, ThreadPoolExecutor(2) as pool:
        (Path(home) / "ansible.cfg").touch()
        answers = list(pool.map(lambda case: answer(program, case, home), cases))
    wrong = 0
    for case, said in zip(cases, answers):
        text = json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        kept = case / "expected.json"
        if update:
            kept.write_text(text)
        elif not kept.exists() or kept.read_text() != text:
            print(f"{case.name}: Ansible says\n{text}")
            wrong += 1
    print(f"{len(cases)} cases, {sum(said is None for said in answers)} refused by Ansible, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
