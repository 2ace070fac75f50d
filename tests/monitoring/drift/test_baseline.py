import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from loan_default.monitoring.days import history
from loan_default.monitoring.days.scored_day import Source
from loan_default.monitoring.drift.baseline import (
    LOOK_BACK_DAYS,
    MAX_ROWS,
    Window,
    recent_sample,
    select_windows,
    windows_before,
)

FIRST = date(2026, 3, 1)


def window(day: int, version: str = "1", drift: bool | None = False) -> Window:
    return Window(FIRST + timedelta(days=day), version, drift)


def days(found: list[Window]) -> list[int]:
    return [(each.run_date - FIRST).days for each in found]


@pytest.mark.parametrize("number, found", [(3, []), (4, [0, 1, 2, 3]), (6, [2, 3, 4, 5])])
def test_the_newest_are_taken_once_there_are_enough(number: int, found: list[int]) -> None:
    before = [window(day) for day in reversed(range(number))]
    assert days(select_windows(before, "1", 4)) == found


def test_a_window_that_drifted_does_not_count() -> None:
    before = [window(day, drift=day in (3, 4)) for day in range(6)]
    assert days(select_windows(before, "1", 4)) == [0, 1, 2, 5]
    assert select_windows(before[1:], "1", 4) == []


def test_a_window_without_verdict_counts() -> None:
    assert days(select_windows([window(day, drift=None) for day in range(4)], "1", 4)) == [
        0,
        1,
        2,
        3,
    ]


def test_once_another_version_has_taken_over_what_drifted_is_normal() -> None:
    before = [window(day, drift=day > 2) for day in range(7)]
    assert days(select_windows(before, "2", 4)) == [3, 4, 5, 6]


def score_day(root: Path, day: date, version: str, rows: int) -> None:
    folder = root / "predictions" / f"run_date={day}"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"model_version": version, "rows_in": rows}))
    frame = pl.DataFrame({"id": [f"{day}-{row}" for row in range(rows)], "dti": [1.0] * rows})
    frame.with_columns(default_probability=0.2).write_parquet(folder / "sample.parquet")


def past(*drifted: date, source: str = "batch", against: str = "recent") -> pl.DataFrame:
    row = {"source": source, "drift": True, "model_version": "9", "rows_in": 5}
    rows = [{"run_date": day, "compared_with": against, **row} for day in drifted]
    return pl.DataFrame(rows, schema_overrides=dict(history.SCHEMA)).select(
        pl.col(name) if rows and name in rows[0] else pl.lit(None, kind).alias(name)
        for name, kind in history.SCHEMA.items()
    )


def test_of_other_sources_the_monitored_days_are_the_windows(tmp_path: Path) -> None:
    score_day(tmp_path, FIRST, "1", 1)
    rows = pl.concat([past(FIRST, source="online"), past(FIRST + timedelta(days=1))])
    found = windows_before(str(tmp_path), FIRST + timedelta(days=5), "online", rows)
    assert found == [Window(FIRST, "9", True, 5)]
    assert windows_before(str(tmp_path), FIRST, "online", rows) == []


def test_the_days_before_are_found_with_their_verdicts(tmp_path: Path) -> None:
    for day in range(4):
        score_day(tmp_path, FIRST + timedelta(days=day), str(day), 1)
    before = windows_before(str(tmp_path), FIRST + timedelta(days=3), "batch", past(FIRST))
    assert before == [
        replace(each, rows=1)
        for each in (window(0, "0", True), window(1, "1", None), window(2, "2", None))
    ]


@pytest.mark.parametrize("source", ["batch", "online"])
def test_days_that_differ_from_the_reference_alone_count(tmp_path: Path, source: Source) -> None:
    days_before = [FIRST + timedelta(days=day) for day in range(4)]
    for day in days_before:
        score_day(tmp_path, day, "9", 1)
    today = FIRST + timedelta(days=4)
    for against, found in (("reference", days_before), ("recent", [])):
        rows = past(*days_before, source=source, against=against)
        before = windows_before(str(tmp_path), today, source, rows)
        assert [window.run_date for window in select_windows(before, "9", 4)] == found


def test_each_window_has_its_share_and_is_seen_by_todays_version(tmp_path: Path) -> None:
    score_day(tmp_path, FIRST, "1", 10)
    score_day(tmp_path, FIRST + timedelta(days=1), "2", MAX_ROWS)
    windows = [window(0, "1"), window(1, "2")]
    found = recent_sample(
        str(tmp_path), windows, "batch", "2", lambda part: part["dti"].to_numpy() * 0.7
    )
    assert found.height == 10 + MAX_ROWS // 2
    by_day = found.group_by(pl.col("id").str.head(10)).agg(pl.col("default_probability").unique())
    assert sorted(by_day.rows()) == [("2026-03-01", [0.7]), ("2026-03-02", [0.2])]
    again = recent_sample(
        str(tmp_path), windows, "batch", "2", lambda part: part["dti"].to_numpy() * 0.7
    )
    assert again.equals(found)


def test_no_windows_give_no_rows(tmp_path: Path) -> None:
    assert (
        recent_sample(str(tmp_path), [], "batch", "1", lambda part: part["dti"].to_numpy()).height
        == 0
    )


def test_long_ago_is_not_looked_at(tmp_path: Path) -> None:
    for day in range(LOOK_BACK_DAYS + 3):
        score_day(tmp_path, FIRST + timedelta(days=day), "1", 1)
    before = windows_before(
        str(tmp_path), FIRST + timedelta(days=LOOK_BACK_DAYS + 2), "batch", past()
    )
    assert len(before) == LOOK_BACK_DAYS and before[-1].run_date == FIRST + timedelta(days=31)
