import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import lendingclub
from lendingclub import CONTRACT
from loan_default.errors import InputError
from loan_default.serving import prediction_log
from loan_default.serving.prediction_log import Entry, PredictionLog
from loan_default.serving.request_features import RequestTable

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
LEAST = {"loan_amnt": 10_000, "term": 36, "int_rate": 13.5, "annual_inc": 60_000}


def entry(*rows: dict[str, Any], request: str = "r", size: int = 100, **more: Any) -> Entry:
    names = tuple(rows[0])
    table = RequestTable(names, [tuple(row.values()) for row in rows])
    scores, decisions = np.full(len(rows), 0.25), np.zeros(len(rows), dtype=np.int64)
    made = Entry(request, NOON, "7", CONTRACT, table, scores, decisions, size)
    return replace(made, **more)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[PredictionLog]:
    """A log that writes when it is closed, or half full."""
    made = PredictionLog(str(tmp_path), share=1, seconds=1000, max_rows=100, model_name="loans")
    made.start()
    yield made
    made.close()


def logged(folder: Path) -> pl.DataFrame:
    return pl.concat(
        [pl.read_parquet(path) for path in sorted(folder.glob("online/*/*.parquet"))]
    ).sort("id")


def test_rows_are_kept_by_day_with_their_scores(log: PredictionLog, tmp_path: Path) -> None:
    late = datetime(2026, 2, 3, 23, 59, 59, tzinfo=UTC)
    log.add(entry(LEAST, time=late))
    log.add(entry(LEAST, time=late.replace(day=4), request="s"))
    log.close()
    days = sorted(path.name for path in (tmp_path / "online").iterdir())
    assert days == ["date=2026-02-03", "date=2026-02-04"]
    found = logged(tmp_path)
    assert found["id"].to_list() == [
        "no-id:20260203T235959.000000Z/r/1",
        "no-id:20260204T235959.000000Z/s/1",
    ]
    assert found["default_probability"].to_list() == [0.25, 0.25]
    assert found["prediction"].to_list() == [0, 0]
    assert found["model_version"].to_list() == ["7", "7"]
    assert (log.written, log.lost) == (2, 0)


def test_raw_and_typed_requests_become_the_same_typed_columns(
    log: PredictionLog, tmp_path: Path
) -> None:
    raw = LEAST | {"term": " 36 months", "int_rate": "13.5%", "earliest_cr_line": "Feb-2016"}
    log.add(entry(raw, request="raw"))
    log.add(entry(LEAST | {"credit_history_months": 120}, request="typed"))
    log.add(entry(dict(reversed(list(LEAST.items()))), request="turned"))
    log.close()
    found = logged(tmp_path).select(lendingclub.NAMES)
    assert found.row(0) == found.row(2)
    assert found.drop("credit_history_months").n_unique() == 1
    assert log.written == 3


def test_a_row_is_named_by_its_own_id_else_by_its_request(
    log: PredictionLog, tmp_path: Path
) -> None:
    log.add(entry(LEAST | {"id": None}, LEAST | {"id": 17}, request="a"))
    log.add(entry(LEAST | {"id": "n/a"}, LEAST | {"id": "row-1"}, request="b"))
    log.close()
    found = logged(tmp_path)["id"].to_list()
    assert found[0] == "17" and found[3] == "row-1"
    assert [text[:6] + text[-3:] for text in found[1:3]] == ["no-id:a/1", "no-id:b/1"]


def test_a_request_id_sent_twice_names_no_row_twice(log: PredictionLog, tmp_path: Path) -> None:
    early = datetime(2026, 2, 3, tzinfo=UTC)
    log.add(entry(LEAST, time=early))
    log.add(entry(LEAST, time=early.replace(microsecond=1)))
    log.close()
    assert logged(tmp_path)["id"].n_unique() == 2


def test_an_id_keeps_its_text_and_an_integer_all_its_digits(
    log: PredictionLog, tmp_path: Path
) -> None:
    sent = [10**17 + 1, 10**17 + 2, 17.0, "17.50", " 18.0 ", "A"]
    log.add(entry(*(LEAST | {"id": value} for value in sent)))
    log.close()
    assert logged(tmp_path)["id"].to_list() == sorted(
        ["100000000000000001", "100000000000000002", "17", "17.50", "18.0", "A"]
    )


def test_small_dollars_of_many_requests_are_no_logarithms(
    log: PredictionLog, tmp_path: Path
) -> None:
    for number in range(40):
        log.add(entry(LEAST | {"revol_bal": 12.5}, request=f"{number}"))
    log.close()
    assert (log.written, log.lost) == (40, 0)


def test_what_finds_the_room_taken_is_counted_as_lost(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path), share=1, seconds=1000, max_rows=5, model_name="loans")
    for _ in range(3):
        log.add(entry(LEAST, LEAST))
    assert log.lost == 2
    log.start()
    log.close()
    assert log.written == 4 and logged(tmp_path).height == 4


def test_what_waits_is_bounded_in_bytes_whatever_the_rows(tmp_path: Path) -> None:
    log = PredictionLog(
        str(tmp_path), share=1, seconds=1000, max_rows=1_000_000, model_name="loans"
    )
    third = prediction_log.MAX_BYTES // 3
    for _ in range(5):
        log.add(entry(LEAST, size=third))
    assert log.lost == 2


@pytest.mark.parametrize("full", ["rows", "bytes"])
def test_half_full_is_written_at_once(full: str, tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path), share=1, seconds=1000, max_rows=10, model_name="loans")
    log.start()
    size = prediction_log.MAX_BYTES // 2 if full == "bytes" else 100
    log.add(entry(*[LEAST] * (1 if full == "bytes" else 5), size=size))
    until = time.monotonic() + 20
    while not log.written and time.monotonic() < until:
        time.sleep(0.02)
    assert log.written
    log.close()


def test_it_writes_every_so_often(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path), share=1, seconds=0.05, max_rows=100, model_name="loans")
    log.start()
    log.add(entry(LEAST))
    until = time.monotonic() + 20
    while not log.written and time.monotonic() < until:
        time.sleep(0.02)
    assert log.written == 1
    log.close()


def test_a_share_of_the_requests_is_kept(tmp_path: Path) -> None:
    log = PredictionLog(
        str(tmp_path), share=0.25, seconds=1000, max_rows=100_000, model_name="loans"
    )
    for number in range(2000):
        log.add(entry(LEAST, request=f"{number}"))
    log.start()
    log.close()
    # Seven standard deviations of a binomial.
    assert abs(log.written - 500) < 7 * (2000 * 0.25 * 0.75) ** 0.5
    assert log.lost == 0


def test_what_cannot_be_written_is_counted_and_the_next_file_is_tried(tmp_path: Path) -> None:
    (tmp_path / "online").write_text("a file where the folder should be")
    log = PredictionLog(str(tmp_path), share=1, seconds=1000, max_rows=100, model_name="loans")
    log.add(entry(LEAST, LEAST))
    log.flush()
    assert (log.written, log.lost) == (0, 2)
    (tmp_path / "online").unlink()
    log.add(entry(LEAST))
    log.flush()
    assert (log.written, log.lost) == (1, 2)


def test_what_comes_while_a_file_is_written_is_not_forgotten_at_the_end(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path), share=1, seconds=1000, max_rows=100_000, model_name="loans")
    log.start()
    log.add(entry(*[LEAST] * 50_000))
    # Half full: the thread has begun to write, which takes longer than this.
    time.sleep(0.05)
    log.add(entry(LEAST, request="late"))
    log.close()
    assert (log.written, log.lost) == (50_001, 0)
    assert not any(thread.name == "prediction-log" for thread in threading.enumerate())


def test_a_root_with_another_models_runs_is_never_written_to(tmp_path: Path) -> None:
    theirs = PredictionLog(str(tmp_path), share=1, seconds=1000, max_rows=100, model_name="theirs")
    theirs.add(entry(LEAST))
    theirs.flush()
    log = PredictionLog(str(tmp_path), share=1, seconds=1000, max_rows=100, model_name="ours")
    with pytest.raises(InputError, match="holds the runs of the model theirs, not of ours"):
        log.require_own_root()
    log.add(entry(LEAST))
    log.flush()
    assert (log.written, log.lost, logged(tmp_path).height) == (0, 1, 1)


def test_a_log_that_is_off_may_have_any_root(tmp_path: Path) -> None:
    theirs = PredictionLog(str(tmp_path), share=1, seconds=1000, max_rows=100, model_name="theirs")
    theirs.add(entry(LEAST))
    theirs.flush()
    off = PredictionLog(str(tmp_path), share=0, seconds=1000, max_rows=100, model_name="ours")
    off.require_own_root()
