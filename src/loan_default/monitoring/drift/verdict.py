"""The drift verdict: from one score per column to yes, no, or too few rows to say. Pure.

A column drifts when its score reaches the lender's threshold *and* chance does not explain it:
samples of the same loans differ too, the more the smaller they are. So a column's threshold is the
larger of the lender's and what chance stays under; with 3,000 values a side it is the lender's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from loan_default.columns import PROBABILITY

# Also the names of these tests in Evidently.
Method = Literal["wasserstein", "psi", "missing share"]

# What the name of a column is followed by where its missing share is meant.
MISSING = "missing"

# A standard normal deviate is larger, either way, with probability 1.4e-4: of a hundred runs of 50
# columns and their missing shares that nothing happened to, about one names a column at all.
_Z = 3.8

# The setting for missing shares may be 0.
_LEAST_THRESHOLD = 1e-6


@dataclass(frozen=True)
class Thresholds:
    """What makes a column, and a run, drift.

    `wasserstein` is in standard deviations of the reference, `psi` has no unit, `missing` and
    `share` are shares in [0, 1], `min_rows` is a count. `by_column` holds what differs for single
    columns: "annual_inc" for its values, "annual_inc:missing" for its missing share. A PSI below
    0.1 is called stable, above 0.25 a major shift (Siddiqi 2006, Credit Risk Scorecards, Wiley);
    0.1 is Evidently's own default for the Wasserstein distance.
    """

    wasserstein: float
    psi: float
    missing: float
    share: float
    min_rows: int
    by_column: Mapping[str, float] = field(default_factory=dict)

    def value_of(self, column: str, method: Method) -> float:
        """The threshold for the values of a column, its own one first."""
        return self.by_column.get(column, self.psi if method == "psi" else self.wasserstein)

    def missing_of(self, column: str) -> float:
        """The threshold for the missing share of a column, its own one first."""
        return self.by_column.get(f"{column}:{MISSING}", self.missing)


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column moved, by the test that counts most against it.

    `score` and `threshold` are in the unit of `method`: standard deviations of the reference, PSI,
    or change of the missing share. `missing_reference` and `missing_current` are shares in [0, 1].
    """

    column: str
    method: Method
    score: float
    threshold: float
    drifted: bool
    missing_reference: float
    missing_current: float

    @property
    def severity(self) -> float:
        """The score over its threshold, comparable between columns and methods."""
        return self.score / max(self.threshold, _LEAST_THRESHOLD)


@dataclass(frozen=True)
class Verdict:
    """Whether a run drifts: True, False, or None with too few rows to say.

    `drift_share` is the share of the `compared` columns that drifted, in [0, 1]; `drifted_columns`
    are worst first; `rows` is the count of the smaller sample; `reason` is one plain sentence.
    """

    drift: bool | None
    drift_share: float
    drifted_columns: list[str]
    compared: int
    rows: int
    reason: str


def worst_first(columns: Iterable[ColumnDrift]) -> list[ColumnDrift]:
    """Drifted columns before the others, each by falling severity, ties by name."""
    return sorted(columns, key=lambda column: (not column.drifted, -column.severity, column.column))


def verdict(
    columns: Sequence[ColumnDrift], rows: int, min_rows: int, share_threshold: float
) -> Verdict:
    """The verdict on one run.

    It drifts when the share of drifted columns reaches `share_threshold`, or when the predicted
    probability itself drifts: that is what decisions are made of. Below `min_rows` there is none.
    """
    drifted = [column.column for column in worst_first(columns) if column.drifted]
    share = len(drifted) / len(columns) if columns else 0.0
    found = f"{len(drifted)} of {len(columns)} columns drifted"
    drift: bool | None = True
    if rows < min_rows:
        drift, reason = None, f"too few rows, {rows:,} of at least {min_rows:,}"
    elif PROBABILITY in drifted:
        reason = f"the predicted probability drifted, which suffices; {found}"
    else:
        drift = share >= share_threshold
        reason = f"{found}, a run drifts from {share_threshold:.0%} on"
    return Verdict(drift, share, drifted, len(columns), rows, reason)


def wasserstein_limit(threshold: float, reference: int, current: int, pooled: float) -> float:
    """The threshold for a normed Wasserstein distance of `current` values from `reference` values.

    The distance is at least that of the means, and equal to it where there are two values; without
    drift that one is normal with variance 1/reference + 1/current, in units of the standard
    deviation of all values. `pooled` is that deviation over the reference's: near 1 but for rare
    events.
    """
    return max(threshold, _Z * pooled * math.sqrt(1 / reference + 1 / current))


def psi_limit(threshold: float, reference: int, current: int, levels: int) -> float:
    """The threshold for a PSI over `levels` categories.

    Without drift, PSI / (1/reference + 1/current) is chi-squared with levels - 1 degrees of freedom
    (Yurdakul 2018, Statistical Properties of Population Stability Index, Western Michigan
    University); the quantile is Wilson and Hilferty's (1931, PNAS 17:684), high by 8 % at most.
    """
    freedom = max(levels - 1, 1)
    spread = 2 / (9 * freedom)
    quantile = freedom * (1 - spread + _Z * math.sqrt(spread)) ** 3
    return max(threshold, quantile * (1 / reference + 1 / current))


def missing_drift(
    column: str, missing: tuple[int, int], rows: tuple[int, int], threshold: float
) -> ColumnDrift:
    """The change of a column's missing share; both pairs count (reference, current), rows > 0.

    A column that is empty on one side only drifts at any threshold, unless chance explains it.
    """
    shares = missing[0] / rows[0], missing[1] / rows[1]
    change = abs(shares[1] - shares[0])
    pooled = sum(missing) / sum(rows)
    chance = _Z * math.sqrt(pooled * (1 - pooled) * (1 / rows[0] + 1 / rows[1]))
    limit = max(threshold, chance)
    drifted = change > (chance if 1.0 in shares else limit)
    return ColumnDrift(column, "missing share", change, limit, drifted, *shares)
