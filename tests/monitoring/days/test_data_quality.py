from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.monitoring.days import data_quality
from loan_default.monitoring.days.data_quality import row_count
from loan_default.monitoring.days.day_counts import DayCounts

MANIFEST = {
    "rows_in": 200,
    "rows_scored": 160,
    "rows_rejected": 40,
    "rows_declined": 10,
    "mean_probability": 0.2,
    "rejected_by_reason": {
        "dti is not a number": 30,
        "annual_inc is outside its range": 7,
        "repeats the id of an earlier row": 3,
    },
    "rejections": [
        {"code": "not_a_number", "column": "dti", "rows": 30},
        {"code": "out_of_range", "column": "annual_inc", "rows": 7},
        {"code": "duplicate_id", "column": "id", "rows": 3},
    ],
    "columns": {
        "dti": {"missing": 8, "unknown": 0, "rejected": 40},
        "purpose": {"missing": 0, "unknown": 16, "rejected": 0},
        "term": {"missing": 0, "unknown": 0, "rejected": 0},
        "id": {"missing": 0, "unknown": 0, "rejected": 3},
    },
}
SAMPLE = pl.DataFrame({"purpose": ["car", "crypto", "crypto", "moon", None], "grade": ["A"] * 5})
REFERENCE = pl.DataFrame({"dti": [1.0, None, 3.0, 4.0], "purpose": ["car"] * 4})


def quality(manifest: Mapping[str, Any], *others: Any) -> dict[str, Any]:
    """The data quality as the reports hold it."""
    return asdict(data_quality.quality(DayCounts.from_manifest(manifest), *others, CONTRACT))


def test_the_days_rows_are_passed_on() -> None:
    found = quality(MANIFEST, REFERENCE, SAMPLE, [])
    assert (found["rows_in"], found["rows_scored"]) == (200, 160)
    assert found["rejected_by_reason"] == MANIFEST["rejected_by_reason"]
    assert found["row_count"] == {"rows": 200, "usual": None, "days": 0, "odd": None}


def test_shares_are_of_the_rows_they_speak_of() -> None:
    found = quality(MANIFEST, REFERENCE, SAMPLE, [])
    assert found["rejected_share"] == 0.2
    assert found["columns"]["dti"] == {
        "missing": 0.05,
        "missing_reference": 0.25,
        "unknown": 0.0,
        "rejected": 40,
    }
    assert found["columns"]["purpose"]["unknown"] == pytest.approx(0.1)


def test_a_column_with_nothing_to_say_is_left_out() -> None:
    assert set(quality(MANIFEST, REFERENCE, SAMPLE, [])["columns"]) == {"dti", "purpose", "id"}


def test_a_column_without_reference_has_none() -> None:
    assert quality(MANIFEST, REFERENCE, SAMPLE, [])["columns"]["id"]["missing_reference"] is None


def test_a_run_in_which_nothing_was_scored_has_no_shares_to_divide() -> None:
    nothing = MANIFEST | {"rows_scored": 0, "rows_rejected": 200}
    found = quality(nothing, REFERENCE, SAMPLE.clear(), [])
    assert found["rejected_share"] == 1.0
    assert (found["columns"]["dti"]["missing"], found["columns"]["dti"]["unknown"]) == (0.0, 0.0)


def test_a_day_without_rows_has_no_shares_either() -> None:
    nothing = MANIFEST | {"rows_in": 0, "rows_scored": 0, "rows_rejected": 0}
    assert quality(nothing, REFERENCE, SAMPLE.clear(), [])["rejected_share"] == 0.0


def test_the_commonest_new_categories_are_named_ties_by_name_and_cut_short() -> None:
    values = ["b"] * 2 + ["a"] * 2 + ["z"] * 3 + ["c", "d", "e"] + ["x" * 99] * 4
    found = quality(MANIFEST, REFERENCE, pl.DataFrame({"purpose": values}), [])
    assert list(found["new_categories"]["purpose"].items()) == [
        ("x" * 40, 4),
        ("z", 3),
        ("a", 2),
        ("b", 2),
        ("c", 1),
    ]


def test_what_stands_out_is_said_in_sentences() -> None:
    found = quality(MANIFEST, REFERENCE, SAMPLE, [1_000, 1_100, 900, 1_050])
    assert found["out_of_range"] == {"annual_inc": 7} and found["duplicates"] == 3
    assert found["new_categories"] == {"purpose": {"crypto": 2, "moon": 1}}
    assert found["findings"] == [
        "200 rows arrived; 1,025 is usual (median of 4 days)",
        "3 rows repeat an id",
        "annual_inc is outside its range in 7 rows",
        "purpose has new categories in 10.0% of the rows: crypto, moon",
    ]


def test_counts_without_codes_are_unknown_not_zero() -> None:
    older = {name: value for name, value in MANIFEST.items() if name != "rejections"}
    found = quality(older, REFERENCE, SAMPLE, [])
    assert (found["out_of_range"], found["duplicates"]) == (None, None)


def test_sentences_are_for_people_and_may_be_reworded() -> None:
    reworded = MANIFEST | {"rejected_by_reason": {"any other words": 40}}
    assert quality(reworded, REFERENCE, SAMPLE, [])["out_of_range"] == {"annual_inc": 7}


def test_rows_without_an_id_are_a_finding() -> None:
    columns = {"id": {"missing": 40, "unknown": 0, "rejected": 0}}
    found = quality(
        MANIFEST | {"columns": columns, "rejections": []}, REFERENCE, SAMPLE.clear(), []
    )
    assert found["findings"] == [
        "25.0% of the rows have no id: outcomes cannot be joined with them"
    ]


def test_a_day_like_any_other_has_no_findings() -> None:
    clean = MANIFEST | {
        "rejected_by_reason": {},
        "rejections": [],
        "rows_rejected": 0,
        "rows_in": 160,
    }
    found = quality(clean, REFERENCE, SAMPLE.head(1), [150, 170, 160, 155])
    assert (found["findings"], found["duplicates"]) == ([], 0)


@pytest.mark.parametrize(
    "rows, past, odd",
    [
        (1_000, [1_000] * 3, None),
        (1_000, [], None),
        (1_000, [990, 1_010, 1_000, 995], False),
        (1_999, [1_000] * 5, False),
        (2_000, [1_000] * 5, False),
        (2_001, [1_000] * 5, True),
        (500, [1_000] * 5, False),
        (499, [1_000] * 5, True),
        (0, [1_000] * 5, True),
        (2, [1, 1, 1, 1], False),
        (10, [0, 0, 0, 10, 10, 10], None),
        (3_000, [100, 900, 1_000, 1_100, 9_000, 4_000, 200], False),
    ],
)
def test_a_days_rows_are_unusual_when_days_do_not_differ_as_much(
    rows: int, past: list[int], odd: bool | None
) -> None:
    assert row_count(rows, past).odd is odd


def test_days_without_rows_are_not_among_the_usual_ones() -> None:
    found = row_count(5, [0, 1, 1, 1, 1])
    assert asdict(found) == {"rows": 5, "usual": 1, "days": 4, "odd": True}
