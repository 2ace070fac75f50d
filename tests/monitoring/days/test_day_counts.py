"""The counts of a scored day: those of a manifest, and a batch's and the online log's together."""

import pytest

from loan_default.monitoring.days.day_counts import CellCounts, DayCounts, RejectionCount

BATCH = DayCounts(
    rows_in=10,
    rows_scored=8,
    rows_rejected=2,
    rows_declined=3,
    mean_probability=0.25,
    rejected_by_reason={"dti is outside its range": 2},
    rejections=(RejectionCount("out_of_range", "dti", 2),),
    columns={"dti": CellCounts(1, 0, 2), "purpose": CellCounts(4, 5, 6)},
)
ONLINE = DayCounts(
    rows_in=24,
    rows_scored=24,
    rows_rejected=0,
    rows_declined=6,
    mean_probability=0.125,
    rejected_by_reason={},
    rejections=(),
    columns={"dti": CellCounts(10, 20, 30), "purpose": CellCounts(40, 50, 60)},
)


def test_a_batch_and_the_online_log_add_up() -> None:
    assert BATCH.plus(ONLINE) == DayCounts(
        rows_in=34,
        rows_scored=32,
        rows_rejected=2,
        rows_declined=9,
        # (8 x 0.25 + 24 x 0.125) / 32
        mean_probability=0.15625,
        rejected_by_reason={"dti is outside its range": 2},
        rejections=(RejectionCount("out_of_range", "dti", 2),),
        columns={"dti": CellCounts(11, 20, 32), "purpose": CellCounts(44, 55, 66)},
    )


def test_two_runs_of_a_day_add_up_with_their_rejections() -> None:
    kinds = (RejectionCount("out_of_range", "dti", 1), RejectionCount("blank_line", None, 4))
    reasons = {"dti is outside its range": 1, "blank line": 4}
    more = DayCounts(6, 1, 5, 0, 0.25, reasons, kinds, BATCH.columns)
    found = BATCH.plus(more)
    assert (found.rows_in, found.rows_rejected) == (16, 7)
    assert found.rejected_by_reason == {"dti is outside its range": 3, "blank line": 4}
    assert found.rejections == (
        RejectionCount("blank_line", None, 4),
        RejectionCount("out_of_range", "dti", 3),
    )


@pytest.mark.parametrize(("mean", "expected"), [(None, 0.125), (0.25, 0.125)])
def test_a_part_without_rows_weighs_nothing(mean: float | None, expected: float) -> None:
    none = DayCounts(0, 0, 0, 0, mean, {}, (), ONLINE.columns)
    assert none.plus(ONLINE).mean_probability == ONLINE.plus(none).mean_probability == expected


def test_no_rows_have_no_mean_and_no_shares() -> None:
    none = DayCounts(0, 0, 0, 0, None, {}, (), {})
    assert none.plus(none).mean_probability is None
    assert none.rejected_share is None and none.declined_share is None


def test_shares_are_of_the_rows_that_they_concern() -> None:
    assert BATCH.rejected_share == 0.2 and BATCH.declined_share == 0.375


@pytest.mark.parametrize("rejections", [None, [{"code": "late", "column": None, "rows": 7}]])
def test_a_manifest_is_read_whole(rejections: list[dict[str, object]] | None) -> None:
    manifest = {
        "rows_in": 1,
        "rows_scored": 2,
        "rows_rejected": 3,
        "rows_declined": 4,
        "mean_probability": 0.5,
        "rejected_by_reason": {"a sentence": 7},
        "columns": {"dti": {"missing": 5, "unknown": 6, "rejected": 7}},
    }
    if rejections is not None:
        manifest["rejections"] = rejections
    expected = None if rejections is None else (RejectionCount("late", None, 7),)
    assert DayCounts.from_manifest(manifest) == DayCounts(
        1, 2, 3, 4, 0.5, {"a sentence": 7}, expected, {"dti": CellCounts(5, 6, 7)}
    )
