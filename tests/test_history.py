from datetime import date
from pathlib import Path

import polars as pl
import pytest

from loan_default import history

ROW = {
    "run_date": "2026-03-02",
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


def test_a_row_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    kept = history.keep(str(tmp_path), ROW)
    (row,) = history.read(str(tmp_path)).rows(named=True)
    shared = {name: value for name, value in ROW.items() if name in history.SCHEMA}
    assert {name: row[name] for name in shared} == shared | {"run_date": date(2026, 3, 2)}
    assert kept.rows(named=True) == [row]


def test_a_day_has_one_row_and_days_stand_in_their_order(tmp_path: Path) -> None:
    for day, share in (("2026-03-02", 0.1), ("2026-03-01", 0.2), ("2026-03-02", 0.3)):
        history.keep(str(tmp_path), ROW | {"run_date": day, "drift_share": share})
    rows = history.read(str(tmp_path))
    assert rows["run_date"].to_list() == [date(2026, 3, 1), date(2026, 3, 2)]
    assert rows["drift_share"].to_list() == [0.2, 0.3]


def test_the_same_row_again_gives_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for _ in range(2):
        history.keep(str(tmp_path), ROW)
        files.append(Path(history.path(str(tmp_path))).read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("lacking", ["drift_share", "drifted_columns"])
def test_a_history_of_an_older_version_is_read(tmp_path: Path, lacking: str) -> None:
    history.keep(str(tmp_path), ROW)
    path = history.path(str(tmp_path))
    pl.read_parquet(path).drop(lacking).with_columns(gone=1).write_parquet(path)
    rows = history.keep(str(tmp_path), ROW | {"run_date": "2026-03-03"})
    assert rows[lacking].to_list() == [None, ROW[lacking]]
    assert rows.columns == list(history.SCHEMA)
