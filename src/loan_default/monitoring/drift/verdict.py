"""The drift verdict: drift, no drift, or too few rows to tell, from one score per column. Pure.

A column drifts if its score reaches the lender's threshold *and* chance does not explain it:
samples of the same loans differ as well, the more the smaller they are. A column's limit is
therefore the larger of the lender's threshold and what chance rarely exceeds. With 3,000 values per
sample it is the lender's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scipy import stats

from loan_default.columns import PROBABILITY

# Also the names of these tests in Evidently
Method = Literal["wasserstein", "psi", "missing share"]

_MISSING_SUFFIX = ":missing"

# The probability that chance exceeds a limit on one side. In about one of a hundred runs of 50
# columns and their missing shares, with nothing changed, any column drifts at all.
_TAIL = 7.2e-5
_Z = float(stats.norm.isf(_TAIL))

# The setting for missing shares may be 0.
_MIN_THRESHOLD = 1e-6


@dataclass(frozen=True)
class Thresholds:
    """The lender's thresholds for columns and for a run.

    `wasserstein` is in standard deviations of the reference, `psi` has no unit, `missing` and
    `share` are shares in [0, 1], `min_rows` is a count. `by_column` holds exceptions for single
    columns: "annual_inc" for its values, "annual_inc:missing" for its missing share. A PSI below
    0.1 is called stable, above 0.25 a major shift (Siddiqi 2006, Credit Risk Scorecards, Wiley);
    0.1 is Evidently's default for the Wasserstein distance.
    """

    wasserstein: float
    psi: float
    missing: float
    share: float
    min_rows: int
    by_column: Mapping[str, float] = field(default_factory=dict)

    def value_of(self, column: str, method: Method) -> float:
        """Return the threshold for the values of a column: its own, else the method's."""
        return self.by_column.get(column, self.psi if method == "psi" else self.wasserstein)

    def missing_of(self, column: str) -> float:
        """Return the threshold for the missing share of a column: its own, else the general one."""
        return self.by_column.get(column + _MISSING_SUFFIX, self.missing)


@dataclass(frozen=True)
class ColumnDrift:
    """The drift of one column, by its strongest test.

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
        return self.score / max(self.threshold, _MIN_THRESHOLD)


@dataclass(frozen=True)
class Verdict:
    """The verdict on a run: `drift` is True, False, or None with too few rows to tell.

    `drift_share` is the share of the `compared` columns that drifted, in [0, 1]. `drifted_columns`
    are worst first. `rows` is the size of the smaller sample. `reason` is one sentence.
    """

    drift: bool | None
    drift_share: float
    drifted_columns: list[str]
    compared: int
    rows: int
    reason: str


def worst_first(columns: Iterable[ColumnDrift]) -> list[ColumnDrift]:
    """Sort drifted columns before the others, each by falling severity, then by name."""
    return sorted(columns, key=lambda column: (not column.drifted, -column.severity, column.column))


def verdict(
    columns: Sequence[ColumnDrift], rows: int, min_rows: int, share_threshold: float
) -> Verdict:
    """Decide whether a run drifts.

    It drifts if the share of drifted columns reaches `share_threshold`, or if the predicted
    probability drifts, because decisions depend on it. With fewer than `min_rows` rows there is no
    verdict.
    """
    drifted = [column.column for column in worst_first(columns) if column.drifted]
    share = len(drifted) / len(columns) if columns else 0.0
    summary = f"{len(drifted)} of {len(columns)} columns drifted"
    drift: bool | None = True
    if rows < min_rows:
        drift, reason = None, f"too few rows: {rows:,}, at least {min_rows:,} are needed"
    elif PROBABILITY in drifted:
        reason = f"the predicted probability drifted, which is enough; {summary}"
    else:
        drift = share >= share_threshold
        reason = f"{summary}; a run drifts at {share_threshold:.0%}"
    return Verdict(drift, share, drifted, len(columns), rows, reason)


def wasserstein_limit(threshold: float, reference: int, current: int, pooled: float) -> float:
    """Return the limit for a normed Wasserstein distance between two samples of a number.

    The distance is at least the difference of the means, and equal to it if there are two values.
    Without drift that difference is normal with variance 1/reference + 1/current, in units of the
    standard deviation of all values.

    Args:
        threshold: the lender's threshold, in standard deviations of the reference.
        reference: number of values in the reference, > 0.
        current: number of values in the current sample, > 0.
        pooled: standard deviation of all values over that of the reference; near 1 except for rare
            events.
    """
    return max(threshold, _Z * pooled * math.sqrt(1 / reference + 1 / current))


def psi_limit(threshold: float, reference: int, current: int, levels: int) -> float:
    """Return the limit for a PSI over `levels` categories of two samples with that many values.

    Without drift, PSI / (1/reference + 1/current) is chi-squared with levels - 1 degrees of freedom
    (Yurdakul 2018, Statistical Properties of Population Stability Index, Western Michigan
    University).
    """
    quantile = float(stats.chi2.isf(_TAIL, max(levels - 1, 1)))
    return max(threshold, quantile * (1 / reference + 1 / current))


def missing_drift(
    column: str, missing: tuple[int, int], rows: tuple[int, int], threshold: float
) -> ColumnDrift:
    """Test the change of a column's missing share.

    A column that is empty on one side only drifts at any threshold, unless chance explains it.

    Args:
        column: its name.
        missing: number of missing values in reference and current sample.
        rows: number of rows in reference and current sample, > 0.
        threshold: the lender's threshold, a share in [0, 1].
    """
    shares = missing[0] / rows[0], missing[1] / rows[1]
    change = abs(shares[1] - shares[0])
    pooled = sum(missing) / sum(rows)
    chance = _Z * math.sqrt(pooled * (1 - pooled) * (1 / rows[0] + 1 / rows[1]))
    limit = max(threshold, chance)
    drifted = change > (chance if 1.0 in shares else limit)
    return ColumnDrift(column, "missing share", change, limit, drifted, *shares)
