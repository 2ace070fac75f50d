"""What people should know about a delivery of outcomes: ids that match nothing, contradictions.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from loan_default.columns import ID
from loan_default.monitoring.days.labelled_predictions import HASH, LabelledPredictions, hashed


@dataclass(frozen=True)
class MatchedIds:
    """How many of a delivery's `ids` are those of scored applications, and one that is not."""

    ids: int
    matched: int
    unmatched_example: str | None

    @property
    def share(self) -> float | None:
        """The share of the ids that matched, in [0, 1]; None without ids."""
        return self.matched / self.ids if self.ids else None


def matched_ids(delivered: pl.DataFrame, labelled: LabelledPredictions) -> MatchedIds:
    """Look up the ids of the `delivered` labels among those of all predictions."""
    known = delivered.select(ID, hashed().alias(HASH))
    lost = known.join(labelled.scored.to_frame(HASH), on=HASH, how="anti")
    example = str(lost[ID].min()) if lost.height else None
    return MatchedIds(delivered.height, delivered.height - lost.height, example)


def is_low(matched: MatchedIds | None, min_share: float) -> bool:
    """Return whether fewer of the delivered ids matched than the share `min_share`."""
    return matched is not None and matched.share is not None and matched.share < min_share


def findings(
    contradictions: int,
    corrections: int,
    matched: MatchedIds | None,
    min_share: float,
    scored: Sequence[str],
) -> list[str]:
    """Return one sentence for each thing that people should know.

    Args:
        contradictions: ids that the delivery says both defaulted and repaid.
        corrections: outcomes that it changed.
        matched: how many of its ids belong to scored applications.
        min_share: the share of them below which that is said.
        scored: ids of scored applications, for an example.
    """
    sentences = []
    if matched and is_low(matched, min_share):
        example = f"; scored was {scored[0]!r}" if scored else ""
        sentences.append(
            f"{matched.matched:,} of {matched.ids:,} delivered outcomes belong to a scored "
            f"application, not for example {matched.unmatched_example!r}{example}"
        )
    if contradictions:
        sentences.append(
            f"{contradictions:,} ids were delivered both as defaulted and as repaid: they have no "
            "outcome until a delivery corrects them"
        )
    if corrections:
        sentences.append(f"{corrections:,} outcomes were corrected by the delivery")
    return sentences
