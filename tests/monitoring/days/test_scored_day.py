"""Days that a real prediction log and files in the layout of a batch run hold."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lendingclub
from lendingclub import CONTRACT
from loan_default import storage
from loan_default.batch.run_files import DATA_FILES, RunFiles
from loan_default.errors import InputError
from loan_default.monitoring.days import scored_day
from loan_default.serving.prediction_log import Entry, PredictionLog
from loan_default.serving.request_features import RequestTable

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)
NAMES = ("id", "loan_amnt", "term", "int_rate", "annual_inc", "dti", "purpose")


def serve(root: Path, day: date, ids: list[str], version: str = "1", score: float = 0.25) -> None:
    """Leave requests in the online log of the day."""
    log = PredictionLog(str(root), share=1, seconds=1000, max_rows=100_000, model_name="loans")
    time = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    dti = {"x": None}
    rows = [(name, 10_000, 36, 13.5, 60_000, dti.get(name, 9.5), "crypto") for name in ids]
    scores = np.full(len(ids), score)
    log.add(
        Entry(
            f"r{version}",
            time,
            version,
            CONTRACT,
            RequestTable(NAMES, rows),
            scores,
            scores > 0.3,
            100,
        )
    )
    log.flush()
    assert log.lost == 0


def score_day(root: Path, day: date, rows: int, batch: str | None = None) -> None:
    """A complete batch run whose every score is 0.5."""
    run, here = RunFiles(str(root), day, batch), root / "here"
    here.mkdir(exist_ok=True)
    empty = {name: 0 for name in ("missing", "unknown", "rejected")}
    frame = pl.DataFrame({"id": [str(row) for row in range(rows)], "dti": [1.0] * rows})
    scored = frame.with_columns(default_probability=0.5, prediction=pl.lit(1, pl.Int8))
    for name in DATA_FILES:
        scored.write_parquet(here / name)
    manifest = {
        "model_name": "loans",
        "model_version": 3,
        "digests": {name: storage.digest(str(here / name)) for name in DATA_FILES},
        "rows_in": rows + 2,
        "rows_scored": rows,
        "rows_rejected": 2,
        "rows_declined": rows,
        "rejected_by_reason": {"dti is not a number": 2},
        "mean_probability": 0.5,
        "columns": {name: dict(empty) for name in (*lendingclub.NAMES, "id")},
    }
    run.publish(here, json.loads(json.dumps(manifest)))


def test_a_batch_run_is_its_sample_and_its_manifest(tmp_path: Path) -> None:
    score_day(tmp_path, DAY, 5)
    found = scored_day.read(str(tmp_path), None, "batch", "other", lambda *_: CONTRACT)
    assert (found.run_date, found.model_name, found.version) == (DAY, "loans", "3")
    assert found.sample["model_version"].unique().to_list() == ["3"]
    assert (found.counts.rows_in, found.latest) == (7, DAY)


def test_all_runs_of_a_day_are_taken_together(tmp_path: Path) -> None:
    def read(source: scored_day.Source = "batch") -> scored_day.ScoredDay:
        return scored_day.read(str(tmp_path), None, source, "other", lambda *_: CONTRACT)

    score_day(tmp_path, DAY, 5)
    alone = read()
    score_day(tmp_path, DAY, 3, "noon")
    found = read()
    assert (found.source, found.counts.rows_in, found.sample.height) == ("batch", 12, 8)
    assert found.counts.rejected_by_reason == {"dti is not a number": 4}
    assert found.digest != alone.digest and found.latest == DAY
    assert scored_day.sample(str(tmp_path), DAY, "batch").height == 8
    serve(tmp_path, DAY, ["a", "b"])
    assert read("both").counts.rows_scored == 10


def test_a_day_of_a_named_run_alone_is_a_day(tmp_path: Path) -> None:
    score_day(tmp_path, DAY, 3, "noon")
    for source in ("batch", "both"):
        found = scored_day.read(str(tmp_path), DAY, source, "other", lambda *_: CONTRACT)
        assert found.counts.rows_scored == 3


def test_the_online_log_is_counted_like_a_batch(tmp_path: Path) -> None:
    serve(tmp_path, DAY, ["a", "x", "b"])
    serve(tmp_path, DAY, ["c"], score=0.65)
    # The log records the model, whatever the settings say
    found = scored_day.read(str(tmp_path), None, "online", "other", lambda *_: CONTRACT)
    assert (found.run_date, found.model_name, found.latest) == (DAY, "loans", DAY)
    assert sorted(found.sample["id"]) == ["a", "b", "c", "x"]
    counts = found.counts
    assert (counts.rows_in, counts.rows_scored, counts.rows_declined) == (4, 4, 1)
    assert counts.mean_probability == pytest.approx(0.35)
    assert counts.columns["dti"].missing == 1
    assert counts.columns["purpose"].unknown == 4


def test_the_version_is_the_one_that_scored_most(tmp_path: Path) -> None:
    serve(tmp_path, DAY, ["a"], version="9")
    serve(tmp_path, DAY, ["b", "c"], version="10")
    assert (
        scored_day.read(str(tmp_path), DAY, "online", "loans", lambda *_: CONTRACT).version == "10"
    )
    serve(tmp_path, DAY, ["d"], version="9")
    assert (
        scored_day.read(str(tmp_path), DAY, "online", "loans", lambda *_: CONTRACT).version == "10"
    )


def test_other_requests_are_other_data(tmp_path: Path) -> None:
    serve(tmp_path, DAY, ["a"])
    first = scored_day.read(str(tmp_path), DAY, "online", "loans", lambda *_: CONTRACT).digest
    assert (
        scored_day.read(str(tmp_path), DAY, "online", "loans", lambda *_: CONTRACT).digest == first
    )
    serve(tmp_path, DAY, ["b"])
    assert (
        scored_day.read(str(tmp_path), DAY, "online", "loans", lambda *_: CONTRACT).digest != first
    )


def test_both_are_taken_together(tmp_path: Path) -> None:
    score_day(tmp_path, DAY, 4)
    serve(tmp_path, DAY, ["a", "b"], version="4", score=0.2)
    found = scored_day.read(str(tmp_path), None, "both", "other", lambda *_: CONTRACT)
    assert (found.source, found.model_name, found.version) == ("both", "loans", "3")
    assert found.sample.height == 6
    assert found.counts.rows_in == 8 and found.counts.rows_rejected == 2
    assert found.counts.mean_probability == pytest.approx(0.4)
    assert found.counts.columns["purpose"].unknown == 2


def test_both_may_be_one_and_the_newer_day_is_the_latest(tmp_path: Path) -> None:
    score_day(tmp_path, DAY, 4)
    serve(tmp_path, NEXT, ["a"])
    root = str(tmp_path)
    assert scored_day.read(root, None, "both", "loans", lambda *_: CONTRACT).run_date == NEXT
    older = scored_day.read(root, DAY, "both", "loans", lambda *_: CONTRACT)
    assert (older.sample.height, older.latest) == (4, NEXT)


@pytest.mark.parametrize("source", ["batch", "online", "both"])
@pytest.mark.parametrize("day", [None, NEXT])
def test_nothing_scored_is_said(
    tmp_path: Path, source: scored_day.Source, day: date | None
) -> None:
    if day:
        score_day(tmp_path, DAY, 1)
        serve(tmp_path, DAY, ["a"])
    said = "nothing was scored|no complete run of 2026-03-02|has nothing (yet|on 2026-03-02)"
    with pytest.raises(InputError, match=said):
        scored_day.read(str(tmp_path), day, source, "loans", lambda *_: CONTRACT)


def test_a_days_sample_alone_has_its_sources(tmp_path: Path) -> None:
    score_day(tmp_path, DAY, 4)
    serve(tmp_path, DAY, ["a"])
    rows = {name: scored_day.sample(str(tmp_path), DAY, name).height for name in SOURCES}
    assert rows == {"batch": 4, "online": 1, "both": 5}
    assert scored_day.sample(str(tmp_path), NEXT, "both").height == 0


SOURCES: tuple[scored_day.Source, ...] = ("batch", "online", "both")
