"""What the tests noticed of `mutmut results --all true` (stdin): a table by module.

Exit code 1 where they noticed less than LEAST of all mutants, or some were not tried.
"""

import sys
from collections import Counter
from collections.abc import Iterable

LEAST = 0.85
WIDEST = 36
# A mutant that never ends is noticed too
KILLED = {"killed", "timeout", "segfault"}
SURVIVED = {"survived", "no tests"}


def count(results: Iterable[str]) -> dict[str, Counter[str]]:
    """By module, how many mutants were killed, survived or ended in any other way."""
    modules: dict[str, Counter[str]] = {}
    for line in filter(None, map(str.strip, results)):
        mutant, _, status = line.partition(": ")
        module = mutant.partition(".")[2].rpartition(".")[0]
        kind = "killed" if status in KILLED else "survived" if status in SURVIVED else status
        modules.setdefault(module, Counter())[kind] += 1
    return modules


def row(name: str, found: Counter[str]) -> str:
    """One line of the table."""
    share = found["killed"] / found.total()
    return (
        f"{name:<{WIDEST}}{found.total():>8}{found['killed']:>8}{found['survived']:>9}{share:>8.1%}"
    )


def main() -> int:
    """Print the table; 1 where the tests noticed too little."""
    modules = count(sys.stdin)
    total = sum(modules.values(), Counter())
    if not total:
        print("error: no mutants; run make mutation", file=sys.stderr)
        return 1
    print(f"{'module':<{WIDEST}}{'mutants':>8}{'killed':>8}{'survived':>9}{'share':>8}")
    print(*(row(name, modules[name]) for name in sorted(modules)), row("total", total), sep="\n")
    untried = total.total() - total["killed"] - total["survived"]
    if untried:
        print(f"error: {untried} mutants were not tried to the end", file=sys.stderr)
    return int(bool(untried) or total["killed"] < LEAST * total.total())


if __name__ == "__main__":
    sys.exit(main())
