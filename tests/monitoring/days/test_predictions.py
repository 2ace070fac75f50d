from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from loan_default.batch.run_files import MANIFEST, PREDICTIONS
from loan_default.monitoring.days import predictions
from loan_default.monitoring.days.labelled_predictions import LabelledPredictions
from loan_default.monitoring.performance.delivered import MatchedIds, matched_ids

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)
TRAINED = '{"fit_through": "2020-06"}'


def rows(*ids: str, **more: Any) -> pl.DataFrame:
    frame = pl.DataFrame({"id": ids, "default_probability": [0.2] * len(ids)})
    given = {"prediction": 0, "model_version": "1", "term": 36.0, "issue_month": None} | more
    kinds = {"prediction": pl.Int8, "issue_month": pl.Date}
    columns = [pl.lit(value, kinds.get(name)).alias(name) for name, value in given.items()]
    return frame.with_columns(columns)


def batch(
    root: Path,
    day: date,
    frame: pl.DataFrame,
    complete: bool = True,
    manifest: str = "{}",
    name: str = "",
) -> None:
    folder = root / "predictions" / f"run_date={day}" / name
    folder.mkdir(parents=True)
    frame.write_parquet(folder / PREDICTIONS)
    if complete:
        (folder / MANIFEST).write_text(manifest)


def online(root: Path, name: str, frame: pl.DataFrame, hour: int, day: date = DAY) -> None:
    folder = root / "online" / f"date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    time = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    frame.drop("issue_month").with_columns(time=pl.lit(time)).write_parquet(folder / name)


def labelled(root: Path, **labels: int | None) -> LabelledPredictions:
    frame = pl.DataFrame({"id": list(labels), "default": list(labels.values())})
    return predictions.join_labels(str(root), frame.cast({"default": pl.Int8}))


def versions(found: LabelledPredictions) -> dict[str, str]:
    return dict(zip(found.loans["id"], found.loans["model_version"], strict=True))


def test_an_application_counts_with_its_earliest_prediction(tmp_path: Path) -> None:
    batch(tmp_path, NEXT, rows("a", "b", model_version="late"))
    batch(tmp_path, DAY, rows("a", "c", model_version="early"))
    found = labelled(tmp_path, a=1, b=0, d=1)
    assert versions(found) == {"a": "early", "b": "late"}
    assert found.loans["default"].to_list() == [1, 0]
    assert found.cohorts["predictions"].to_list() == [3]


def test_ids_join_that_an_earlier_release_wrote_as_floats(tmp_path: Path) -> None:
    online(tmp_path, "1.parquet", rows("17.0", "b", "no-id:x/1"), 12)
    assert versions(labelled(tmp_path, **{"17": 1, "b": 0})) == {"17": "1", "b": "1"}


def test_the_ids_of_all_predictions_are_known(tmp_path: Path) -> None:
    batch(tmp_path, DAY, rows("a", "c", issue_month=date(2020, 1, 1)), manifest=TRAINED)
    online(tmp_path, "1.parquet", rows("b"), 12)
    found = labelled(tmp_path, a=1, b=0, d=1)
    given = pl.DataFrame({"id": ["a", "b", "x", "d"]})
    assert matched_ids(given, found) == MatchedIds(4, 2, "d")
    assert matched_ids(given.clear(), found) == MatchedIds(0, 0, None)


def test_every_run_of_a_day_counts(tmp_path: Path) -> None:
    batch(tmp_path, DAY, rows("a", "b", model_version="first"))
    batch(tmp_path, DAY, rows("b", "c", model_version="noon"), name="batch=noon")
    batch(tmp_path, NEXT, rows("a", "d", model_version="next"), name="batch=only")
    found = labelled(tmp_path, a=1, b=0, c=0, d=1)
    assert versions(found) == {"a": "first", "b": "first", "c": "noon", "d": "next"}


def test_the_online_log_is_a_source_in_the_order_of_its_times(tmp_path: Path) -> None:
    online(tmp_path, "1.parquet", rows("a", "b", model_version="noon"), 12)
    online(tmp_path, "2.parquet", rows("a", model_version="morning"), 8)
    batch(tmp_path, DAY, rows("b", model_version="batch"))
    online(tmp_path, "3.parquet", rows("a", "b", "c", model_version="next"), 1, NEXT)
    found = labelled(tmp_path, a=1, b=1, c=0)
    assert versions(found) == {"a": "morning", "b": "batch", "c": "next"}
    sources = dict(zip(found.loans["id"], found.loans["source"], strict=True))
    assert sources == {"a": "online", "b": "batch", "c": "online"}


def test_the_cohort_is_the_issue_month_else_the_month_of_scoring(tmp_path: Path) -> None:
    batch(tmp_path, DAY, rows("a", issue_month=date(2024, 5, 1)))
    batch(tmp_path, NEXT, rows("b", "c", prediction=1))
    found = labelled(tmp_path, a=0, b=1).cohorts.rows()
    assert found == [(date(2024, 5, 1), 36.0, 1, 1), (date(2026, 3, 1), 36.0, 2, 0)]


def test_loans_that_the_model_was_trained_on_are_left_out(tmp_path: Path) -> None:
    known, new = rows("a", issue_month=date(2024, 5, 1)), rows("b", issue_month=date(2024, 6, 1))
    undated = rows("c")
    every = pl.concat([known, new, undated])
    batch(tmp_path, DAY, every, manifest='{"fit_through": "2024-05"}')
    batch(tmp_path, NEXT, every, manifest='{"fit_through": "2020-01"}')
    found = labelled(tmp_path, a=1, b=0, c=1)
    assert sorted(found.loans["id"]) == ["b", "c"] and found.trained_on == 1
    assert found.cohorts["predictions"].sum() == 2


def test_a_run_without_manifest_is_not_read(tmp_path: Path) -> None:
    batch(tmp_path, DAY, rows("a"), complete=False)
    assert labelled(tmp_path, a=1).loans.is_empty()


def test_older_files_without_term_have_none(tmp_path: Path) -> None:
    batch(tmp_path, DAY, rows("a").drop("term", "issue_month"))
    found = labelled(tmp_path, a=1)
    assert found.loans["term"].to_list() == [None]
    assert found.cohorts.rows() == [(date(2026, 3, 1), None, 1, 1)]


def test_no_predictions_are_no_loans(tmp_path: Path) -> None:
    found = labelled(tmp_path, a=1)
    assert found.loans.is_empty() and found.cohorts.is_empty()
