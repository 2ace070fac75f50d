"""Summarise `mutmut results --all true` (stdin) in a table by module.

The exit code is 1 if less than MIN_KILLED of all mutants were killed, or some were not tried.
"""

import sys
from collections import Counter
from collections.abc import Iterable

MIN_KILLED = 0.95
NAME_WIDTH = 36
# A mutant that never ends counts as killed
KILLED = {"killed", "timeout", "segfault"}
SURVIVED = {"survived", "no tests"}


def count(results: Iterable[str]) -> dict[str, Counter[str]]:
    """Count by module the mutants that were killed, survived or ended in another way."""
    modules: dict[str, Counter[str]] = {}
    for line in filter(None, map(str.strip, results)):
        mutant, _, status = line.partition(": ")
        module = mutant.partition(".")[2].rpartition(".")[0]
        kind = "killed" if status in KILLED else "survived" if status in SURVIVED else status
        modules.setdefault(module, Counter())[kind] += 1
    return modules


def row(name: str, mutants: Counter[str]) -> str:
    """Return a line of the table."""
    total, killed = mutants.total(), mutants["killed"]
    share = killed / total
    return f"{name:<{NAME_WIDTH}}{total:>8}{killed:>8}{mutants['survived']:>9}{share:>8.1%}"


def main() -> int:
    """Print the table; return 1 if too few mutants were killed."""
    modules = count(sys.stdin)
    total = sum(modules.values(), Counter())
    if not total:
        print("error: no mutants; run make mutation", file=sys.stderr)
        return 1
    print(f"{'module':<{NAME_WIDTH}}{'mutants':>8}{'killed':>8}{'survived':>9}{'share':>8}")
    print(*(row(name, modules[name]) for name in sorted(modules)), row("total", total), sep="\n")
    untried = total.total() - total["killed"] - total["survived"]
    if untried:
        print(f"error: {untried} mutants were not run to completion", file=sys.stderr)
    return int(bool(untried) or total["killed"] < MIN_KILLED * total.total())


if __name__ == "__main__":
    sys.exit(main())
