"""What `make` alone prints: every target with its meaning, in groups."""

import re
import subprocess

from workspace import ROOT


def test_make_alone_lists_every_target_under_a_group() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    groups = {}
    for block in done.stdout.strip().split("\n\n")[:-1]:
        title, *lines = block.splitlines()
        groups[title] = [re.fullmatch(r"  make ([\w-]+) +\S.+", line) for line in lines]
    assert next(iter(groups)) == "First steps" and len(groups) > 4
    printed = [found[1] if found else None for lines in groups.values() for found in lines]
    assert printed[0] == "demo"
    phony = re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(map(str, printed)) == sorted(phony)


def test_every_line_of_the_help_fits_a_wide_terminal() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if len(line) > 132] == []
