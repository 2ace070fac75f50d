"""Data quality of a scored day, over all its rows, from what was counted while scoring. Pure."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import polars as pl

from loan_default.columns import RECORD
from loan_default.data.rejections import Fault

_LEAST_RUNS = 4
# Half or twice the usual rows are worth a look, unless days differ as much: Iglewicz and Hoaglin
# (1993, How to detect and handle outliers) call a modified z-score above 3.5 an outlier.
_FACTOR, _Z, _NORMAL = 2.0, 3.5, 1.4826
_MOST_VALUES = 5
Rejections = Sequence[Mapping[str, Any]] | None


def quality(
    counts: Mapping[str, Any],
    reference: pl.DataFrame,
    sample: pl.DataFrame,
    past_rows: Sequence[int],
) -> dict[str, Any]:
    """What of the rows and of each column's cells was not usable, and whether their number is odd.

    Args:
        counts: what `score_blocks` counted over all rows.
        reference: the model's reference sample, whose missing shares are put beside the day's.
        sample: the day's sample of scored rows, which names the new categories.
        past_rows: how many rows came in on the days before.

    Returns:
        `rejected_share` in [0, 1] of the rows, `rejected_by_reason`, `out_of_range` (rows by
        column) and `duplicates` (rows that repeat an id), both None for a manifest without codes,
        `new_categories` (by column, the commonest with their count in the sample), `row_count`
        (see `row_count`), and by column the shares in [0, 1] `missing`, `missing_reference` and
        `unknown` (a category that the model does not know) of the scored rows, and the count
        `rejected` of rows refused for it. Columns without any of these are left out. `findings`
        says what stands out, a sentence each.
    """
    scored, rejections = counts["rows_scored"], counts.get("rejections")
    columns = {
        name: _column(cells, scored, reference, name)
        for name, cells in counts["columns"].items()
        if any(cells.values())
    }
    found = {
        **{name: counts[name] for name in ("rows_in", "rows_scored")},
        "rejected_share": counts["rows_rejected"] / counts["rows_in"] if counts["rows_in"] else 0.0,
        "rejected_by_reason": counts["rejected_by_reason"],
        "out_of_range": _by_column(rejections, Fault.OUT_OF_RANGE),
        "duplicates": _rows(rejections, Fault.DUPLICATE_ID),
        "new_categories": _new_categories(sample),
        "row_count": row_count(counts["rows_in"], past_rows),
        "columns": columns,
    }
    return found | {"findings": _findings(found)}


def row_count(rows: int, past: Sequence[int]) -> dict[str, Any]:
    """Whether `rows` differ from those of the `past` days by more than days do.

    Returns `rows`, `usual` (the median), `days`, and `odd`: True, False, or None with fewer than 4
    days to compare with.
    """
    past = [count for count in past if count > 0]
    usual = median(past) if past else None
    found = {"rows": rows, "usual": usual, "days": len(past)}
    if usual is None or len(past) < _LEAST_RUNS:
        return found | {"odd": None}
    spread = _NORMAL * median(abs(math.log(count / usual)) for count in past)
    limit = max(math.log(_FACTOR), _Z * spread)
    return found | {"odd": not rows or abs(math.log(rows / usual)) > limit}


def _by_column(rejections: Rejections, code: Fault) -> dict[str, int] | None:
    """Rows by column with this code; None where the manifest, an older one, has no codes."""
    if rejections is None:
        return None
    return {kind["column"]: kind["rows"] for kind in rejections if kind["code"] == code}


def _rows(rejections: Rejections, code: Fault) -> int | None:
    by_column = _by_column(rejections, code)
    return None if by_column is None else sum(by_column.values())


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


def _new_categories(sample: pl.DataFrame) -> dict[str, dict[str, int]]:
    found = {}
    for column in RECORD:
        if column.kind == "category" and column.name in sample.columns:
            cells = sample[column.name].cast(pl.String).drop_nulls()
            new = cells.filter(~cells.is_in(column.levels)).value_counts().rows()
            if new:
                commonest = sorted(new, key=lambda row: (-row[1], row[0]))[:_MOST_VALUES]
                found[column.name] = {value[:40]: count for value, count in commonest}
    return found


def _findings(found: Mapping[str, Any]) -> list[str]:
    """One sentence for each thing that a person should know of, the day's rows first."""
    rows, said = found["row_count"], []
    if rows["odd"]:
        said.append(
            f"{rows['rows']:,} rows came in, {rows['usual']:,.0f} are usual "
            f"(median of {rows['days']} days)"
        )
    if found["duplicates"]:
        said.append(f"{found['duplicates']:,} rows repeat an id")
    for name, count in (found["out_of_range"] or {}).items():
        said.append(f"{name} is outside its range in {count:,} rows")
    for name, values in found["new_categories"].items():
        share = found["columns"][name]["unknown"]
        said.append(f"{name} has new categories in {share:.1%} of the rows: {', '.join(values)}")
    return said
