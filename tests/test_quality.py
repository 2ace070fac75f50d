import polars as pl
import pytest

from loan_default.quality import quality

MANIFEST = {
    "rows_in": 200,
    "rows_scored": 160,
    "rows_rejected": 40,
    "rejected_by_reason": {"dti is not a number": 40},
    "columns": {
        "dti": {"missing": 8, "unknown": 0, "rejected": 40},
        "purpose": {"missing": 0, "unknown": 16, "rejected": 0},
        "term": {"missing": 0, "unknown": 0, "rejected": 0},
        "id": {"missing": 0, "unknown": 0, "rejected": 3},
    },
}
REFERENCE = pl.DataFrame({"dti": [1.0, None, 3.0, 4.0], "purpose": ["car"] * 4})


def test_shares_are_of_the_rows_they_speak_of() -> None:
    found = quality(MANIFEST, REFERENCE)
    assert found["rejected_share"] == 0.2
    assert found["columns"]["dti"] == {
        "missing": 0.05,
        "missing_reference": 0.25,
        "unknown": 0.0,
        "rejected": 40,
    }
    assert found["columns"]["purpose"]["unknown"] == pytest.approx(0.1)


def test_a_column_with_nothing_to_say_is_left_out() -> None:
    assert set(quality(MANIFEST, REFERENCE)["columns"]) == {"dti", "purpose", "id"}


def test_a_column_without_reference_has_none() -> None:
    assert quality(MANIFEST, REFERENCE)["columns"]["id"]["missing_reference"] is None


def test_a_run_in_which_nothing_was_scored_has_no_shares_to_divide() -> None:
    nothing = MANIFEST | {"rows_scored": 0, "rows_rejected": 200}
    assert quality(nothing, REFERENCE)["columns"]["dti"]["missing"] == 0.0
