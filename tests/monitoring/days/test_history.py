from datetime import date
from pathlib import Path

import polars as pl
import pytest

from loan_default.errors import InputError
from loan_default.monitoring.days import history

ROW = dict.fromkeys(history.SCHEMA) | {
    "run_date": date(2026, 3, 2),
    "source": "batch",
    "model_name": "loans",
    "rows_in": 1_000,
    "model_version": "1",
    "drift": True,
    "drift_share": 0.4,
    "drifted_columns": ["dti", "term"],
    "compared_with": "recent",
    "reference_drift": None,
    "reference_drift_share": 0.0,
    "something_else": object(),
}


def test_there_is_none_before_the_first_day(tmp_path: Path) -> None:
    assert history.read(str(tmp_path)).is_empty()
    assert list(tmp_path.iterdir()) == []


def test_a_row_comes_back_as_it_was_added(tmp_path: Path) -> None:
    history.add(str(tmp_path), ROW)
    (row,) = history.read(str(tmp_path)).rows(named=True)
    assert row == {name: ROW[name] for name in history.SCHEMA}


def test_a_day_has_one_row_and_days_stand_in_their_order(tmp_path: Path) -> None:
    for day, share in ((2, 0.1), (1, 0.2), (2, 0.3)):
        history.add(str(tmp_path), ROW | {"run_date": date(2026, 3, day), "drift_share": share})
    rows = history.read(str(tmp_path))
    assert rows["run_date"].to_list() == [date(2026, 3, 1), date(2026, 3, 2)]
    assert rows["drift_share"].to_list() == [0.2, 0.3]


def test_the_same_row_again_gives_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for _ in range(2):
        history.add(str(tmp_path), ROW)
        files.append(Path(history.path(str(tmp_path))).read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("lacking", ["drift_share", "drifted_columns"])
def test_a_history_of_an_older_version_is_read(tmp_path: Path, lacking: str) -> None:
    history.add(str(tmp_path), ROW)
    path = history.path(str(tmp_path))
    pl.read_parquet(path).drop(lacking).with_columns(gone=1).write_parquet(path)
    history.add(str(tmp_path), ROW | {"run_date": date(2026, 3, 3)})
    rows = history.read(str(tmp_path))
    assert rows[lacking].to_list() == [None, ROW[lacking]]
    assert rows.columns == list(history.SCHEMA)


def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    history.add(str(tmp_path), ROW)
    path = Path(history.path(str(tmp_path)))
    for damage in (b"", b"PAR1", path.read_bytes()[:-30], b"x" * 100):
        path.write_bytes(damage)
        with pytest.raises(InputError, match="history.parquet is damaged: remove it"):
            history.read(str(tmp_path))


def test_the_numbers_that_are_known_are_metrics() -> None:
    found = history.metrics(ROW | {"alert": False})
    assert found == {"rows_in": 1_000.0, "drift": 1.0, "drift_share": 0.4, "alert": 0.0} | {
        "reference_drift_share": 0.0
    }


def test_the_rows_before_a_day_are_without_it(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        history.add(str(tmp_path), ROW | {"run_date": date(2026, 3, day)})
    before = history.before(history.read(str(tmp_path)), date(2026, 3, 2))
    assert before["run_date"].to_list() == [date(2026, 3, 1)]
