"""Whether outcomes show that predictions are worse than they were when the model was tested. Pure.

Chance must not explain it: an interval has to lie beyond the tolerance, and rest on enough matured
outcomes of enough of the approved applications. A part that holds the defaults alone shows nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """`auc` and `calibration` are the losses in [0, 1] that are still accepted; `min_outcomes` is a
    count, `min_coverage` the share of the matured approved applications with an outcome."""

    auc: float
    calibration: float
    min_outcomes: int
    min_coverage: float


def newest(realised: Mapping[str, Any] | None, limits: Limits) -> Mapping[str, Any] | None:
    """The version with the newest outcomes that are enough to judge it by, with its figures."""
    if not realised or (realised["coverage"] or 0.0) < limits.min_coverage:
        return None
    enough = [v for v in realised["by_version"] if v["outcomes"] >= limits.min_outcomes]
    return enough[-1] if enough else None


def loss(version: Mapping[str, Any], tested_auc: float | None, limits: Limits) -> str | None:
    """What the outcomes of a version lack, in one sentence; None where they are as promised.

    `tested_auc` is the AUC on the version's test months, None where it is not known.
    """
    auc, rate, said = version["AUC"], version["default_rate"], version["mean_probability"]
    basis = f"{version['outcomes']:,} outcomes of version {version['model_version']}"
    high = auc and auc["high"]
    if tested_auc is not None and high is not None and high < tested_auc - limits.auc:
        return f"realised AUC {auc['value']:.3f}, tested {tested_auc:.3f} ({basis})"
    if rate["low"] > said + limits.calibration or rate["high"] < said - limits.calibration:
        return f"realised default rate {rate['value']:.1%}, predicted {said:.1%} ({basis})"
    return None
