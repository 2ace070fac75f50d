"""Show on the terminal what each column holds, what becomes of it, and why."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from loan_default.drafting.suspicion import Suspicion

# A feature that predicts so well alone is worth a second look
LOOK_FROM = 0.60
_WIDTH = 120
_FEW_POINTS = 0.03


@dataclass(frozen=True)
class Judged:
    """One column: what it holds, what speaks against it, and its table if nothing does.

    Attributes:
        source: its name in the file.
        holds: numbers, dates or texts.
        missing: the share of missing cells in [0, 1] by issue year.
        suspicion: why it is set apart; None if it becomes a feature.
        name: the feature's name in the record.
        table: the feature's lines of TOML.
        alone: the AUC that a feature reaches alone.
        form: how its dates are written.
    """

    source: str
    holds: str
    missing: dict[int, float]
    suspicion: Suspicion | None
    name: str = ""
    table: str = ""
    alone: float = 0.0
    form: str = "auto"

    @property
    def look(self) -> str:
        """What to ask of a feature that predicts well; empty for the others."""
        if self.suspicion or self.alone < LOOK_FROM:
            return ""
        return f"alone it reaches an AUC of {self.alone:.2f}: known when the loan was granted?"


def missing_shares(by_year: dict[int, float]) -> str:
    """Return the shares of missing cells in words: one if the issue years are alike."""
    shares = sorted(by_year.values())
    if not shares or shares[-1] == 0:
        return "never missing"
    if shares[-1] - shares[0] <= _FEW_POINTS:
        low, high = f"{shares[0]:.0%}", f"{shares[-1]:.0%}"
        return f"missing: {low if low == high else f'{low} to {high}'} a year"
    return "missing: " + ", ".join(f"{share:.0%} in {year}" for year, share in by_year.items())


def show(judged: list[Judged]) -> None:
    """Print the table, what was set apart first."""
    table = Table(title="What the columns hold")
    for heading in ("column", "holds", "becomes", "why", "missing"):
        table.add_column(heading, overflow="fold")
    for one in sorted(judged, key=lambda one: (one.suspicion is None, one.source)):
        found = one.suspicion
        becomes = found.place.replace("_", " ") if found else f"feature {one.name}"
        why = found.why if found else one.look
        missing = missing_shares(one.missing).removeprefix("missing: ")
        table.add_row(one.source, one.holds, becomes, why, missing)
    console = Console(stderr=True)
    if not console.is_terminal:
        console = Console(stderr=True, width=_WIDTH)
    console.print(table)
