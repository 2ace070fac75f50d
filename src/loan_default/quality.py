"""Data quality of a scoring run, over all its rows, from the counts in its manifest. Pure."""

from collections.abc import Mapping
from typing import Any

import polars as pl


def quality(manifest: Mapping[str, Any], reference: pl.DataFrame) -> dict[str, Any]:
    """What share of the rows and of each column's cells was not usable.

    Args:
        manifest: what `batch.write` counted.
        reference: the model's reference sample, whose missing shares are put beside the run's.

    Returns:
        `rejected_share` in [0, 1] of the rows, `rejected_by_reason`, and by column the shares in
        [0, 1] `missing`, `missing_reference` and `unknown` (a category that the model does not
        know) of the scored rows, and the count `rejected` of rows refused for it. Columns without
        any of these are left out.
    """
    scored = manifest["rows_scored"]
    columns = {
        name: _column(counts, scored, reference, name)
        for name, counts in manifest["columns"].items()
        if any(counts.values())
    }
    return {
        "rows_in": manifest["rows_in"],
        "rows_scored": scored,
        "rejected_share": manifest["rows_rejected"] / manifest["rows_in"],
        "rejected_by_reason": manifest["rejected_by_reason"],
        "columns": columns,
    }


def _column(
    counts: Mapping[str, int], scored: int, reference: pl.DataFrame, name: str
) -> dict[str, float | int | None]:
    known = name in reference.columns and reference.height
    return {
        "missing": counts["missing"] / scored if scored else 0.0,
        "missing_reference": reference[name].null_count() / reference.height if known else None,
        "unknown": counts["unknown"] / scored if scored else 0.0,
        "rejected": counts["rejected"],
    }
