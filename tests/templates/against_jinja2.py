#!/usr/bin/env python3
"""What Ansible makes of the cases in cases/*.txt, and whether that is what they say.

    python3 -m venv v
    v/bin/pip install ansible-core==2.19.* passlib bcrypt==4.* netaddr jmespath xmltodict
    v/bin/ansible-galaxy collection install ansible.utils community.general
    v/bin/python tests/templates/against_jinja2.py            # says what differs
    v/bin/python tests/templates/against_jinja2.py --write    # writes what Ansible makes into the cases
    v/bin/python tests/templates/against_jinja2.py structure  # looks at cases/structure.txt alone

A case is `=== its name`, a template, and `--- out` with what Ansible renders, or `--- error` where it refuses. Where
hlrun does otherwise, `--- why` says why, and `--- hlrun` what it does (`<error>`: it refuses). A template is rendered
as the module `template` renders a file, with vars.yaml and what include/ holds.
"""

import difflib
import os
import pathlib
import re
import sys

os.environ.update(TZ="UTC", ANSIBLE_DEPRECATION_WARNINGS="0", ANSIBLE_DEVEL_WARNING="0", HOME="/home/ann")
HERE = pathlib.Path(__file__).resolve().parent
CASE = re.compile(r"^=== (.*)\n", re.M)
PART = re.compile(r"\n--- (out|error|hlrun|why)(?=\n|\Z)")

import yaml  # noqa: E402
from ansible.parsing.dataloader import DataLoader  # noqa: E402
from ansible.plugins.loader import init_plugin_loader  # noqa: E402
from ansible.template import Templar, trust_as_template  # noqa: E402

init_plugin_loader()


def render(text, variables):
    """The text that the module `template` would write, or None if it refuses."""
    search = [str(HERE / "include")]
    templar = Templar(loader=DataLoader(), variables=variables).copy_with_new_env(searchpath=search)
    try:
        overrides = dict(trim_blocks=True, lstrip_blocks=False)
        found = templar.template(trust_as_template(text), escape_backslashes=False, overrides=overrides)
    except Exception as error:  # whatever it is, Ansible refuses
        return None, str(error).splitlines()[0]
    return "" if found is None else str(found), None


def read(path):
    """The cases of a file: name, template, and its parts by name."""
    pieces = CASE.split(path.read_text())
    for name, body in zip(pieces[1::2], pieces[2::2]):
        template, *rest = PART.split("\n" + body.removesuffix("\n"))
        parts = {name: part.removeprefix("\n") for name, part in zip(rest[::2], rest[1::2])}
        yield name, template[1:], parts


def main():
    write = "--write" in sys.argv
    variables = yaml.safe_load((HERE / "vars.yaml").read_text())
    variables["ansible_managed"] = "Ansible managed"
    wrong = total = 0
    named = [name for name in sys.argv[1:] if name != "--write"]
    for path in sorted((HERE / "cases").glob("*.txt")):
        if named and path.stem not in named:
            continue
        lines = []
        for name, template, parts in read(path):
            total += 1
            out, error = render(template, dict(variables))
            said = parts.get("out")
            if said != out or (out is None) != ("error" in parts):
                wrong += 1
                print(f"{path.name}: {name}" + (f"\n  Ansible refuses: {error}" if error else ""))
                shown = difflib.unified_diff((said or "").splitlines(), (out or "").splitlines(), "case", "ansible", lineterm="")
                print("\n".join("  " + line for line in shown))
            lines.append(f"=== {name}\n{template}\n" + ("--- error\n" if out is None else f"--- out\n{out}\n"))
            for part in ["why", "hlrun"]:
                if part in parts:
                    lines.append(f"--- {part}\n{parts[part]}\n")
        if write:
            path.write_text("".join(lines))
    print(f"{total} cases, {wrong} differ" + (" (written)" if write else ""))
    return 1 if wrong and not write else 0


sys.exit(main())
