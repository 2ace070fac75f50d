import subprocess
import sys

import pytest

from workspace import ROOT

SCRIPT = ROOT / "tools" / "mutation_score.py"


def scored(**statuses: int) -> tuple[int, list[list[str]], str]:
    """Exit code, table and stderr for so many mutants of one module with each status."""
    lines = [
        f"    loan_default.data.parsing.x_month__mutmut_{status}{n}: {status.replace('_', ' ')}"
        for status, count in statuses.items()
        for n in range(count)
    ]
    command = [sys.executable, str(SCRIPT)]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True)
    return done.returncode, [line.split() for line in done.stdout.splitlines()], done.stderr


@pytest.mark.parametrize("killed, survived, code", [(19, 1, 0), (94, 6, 1)])
def test_95_of_100_are_enough(killed: int, survived: int, code: int) -> None:
    total = str(killed + survived)
    share = f"{killed / (killed + survived):.1%}"
    found, table, _ = scored(killed=killed, survived=survived)
    assert found == code
    assert table == [
        ["module", "mutants", "killed", "survived", "share"],
        ["data.parsing", total, str(killed), str(survived), share],
        ["total", total, str(killed), str(survived), share],
    ]


def test_a_mutant_that_no_test_runs_has_survived_and_one_without_an_end_has_not() -> None:
    _, table, _ = scored(killed=90, timeout=4, survived=5, no_tests=1)
    assert table[-1] == ["total", "100", "94", "6", "94.0%"]


def test_a_run_that_was_cut_off_is_no_success() -> None:
    code, _, said = scored(killed=99, not_checked=1)
    assert (code, said) == (1, "error: 1 mutants were not run to completion\n")
    assert scored()[0] == 1
