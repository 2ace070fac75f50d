import re
import runpy

import pytest

import lendingclub
from workspace import ROOT

PAGES = runpy.run_path(str(ROOT / "tools" / "reference.py"))["pages"]()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    told = f"docs/{name} is not what the code says: run `make docs`"
    assert (ROOT / "docs" / name).read_text() == PAGES[name], told


def test_every_column_of_the_export_has_a_role() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|.* \|$", PAGES["data-contract.md"], re.MULTILINE)
    roles = {name: role for name, role in rows if name in lendingclub.EXPORT}
    assert set(roles) == set(lendingclub.EXPORT)
    later = {name for name, role in roles.items() if "known only after the loan" in role}
    assert later == lendingclub.KNOWN_AFTERWARDS
    inputs = {name for name, role in roles.items() if "feature" in role and "never" not in role}
    assert len(inputs) == len(lendingclub.RECORD) and not inputs & (later | lendingclub.PROXIES)


def test_the_settings_page_says_what_the_stack_passes_on() -> None:
    reach = dict(re.findall(r"^\| `(\w+)` \|.* \| ([^|]+) \|$", PAGES["settings.md"], re.MULTILINE))
    assert reach["LOG_LEVEL"] == "tasks, serving"
    assert reach["DRIFT_MIN_ROWS"] == "tasks"
    assert reach["OUTPUT_PATH"] == "set by the stack"
