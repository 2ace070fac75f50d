from datetime import date
from pathlib import Path

import polars as pl
import pytest

from loan_default.errors import InputError
from loan_default.monitoring.days import history

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


def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    history.keep(str(tmp_path), ROW)
    path = Path(history.path(str(tmp_path)))
    for damage in (b"", b"PAR1", path.read_bytes()[:-30], b"x" * 100):
        path.write_bytes(damage)
        with pytest.raises(InputError, match="history.parquet is damaged: remove it"):
            history.read(str(tmp_path))


FOUND = {
    "run_date": "2026-03-02",
    "estimate": {"AUC": 0.7, "default_rate": 0.15},
    "realised": None,
}
COUNTS = {
    "rows_in": 200,
    "rows_scored": 160,
    "rows_rejected": 40,
    "rows_declined": 16,
    "mean_probability": 0.2,
}
SCORE = pl.Series([0.0, 0.1, 0.2, 0.3, 0.4])


def test_a_days_figures_fit_its_row() -> None:
    row = history.figures(FOUND, COUNTS, SCORE)
    assert (row["rejected_share"], row["declined_share"]) == (0.2, 0.1)
    assert (row["score_p25"], row["score_p50"]) == (0.1, 0.2)
    assert (row["estimated_AUC"], row["AUC"], row["outcomes"]) == (0.7, None, None)


def test_a_days_realised_quality_is_in_its_row() -> None:
    figure = {"value": 0.7, "low": 0.6, "high": 0.8}
    realised = {"as_of": "2026-01", "outcomes": 9, "AUC": figure, "default_rate": None}
    row = history.figures(FOUND | {"realised": realised}, COUNTS, SCORE)
    assert (row["AUC_low"], row["AUC"], row["AUC_high"], row["as_of"]) == (0.6, 0.7, 0.8, "2026-01")
    assert row["default_rate"] is row["Brier"] is None


def test_a_day_on_which_nothing_came_has_a_row_too() -> None:
    counts = COUNTS | {"rows_in": 0, "rows_scored": 0, "mean_probability": None}
    row = history.figures(FOUND, counts, SCORE.clear())
    assert row["rejected_share"] is row["score_p50"] is None


def test_the_numbers_that_are_known_are_metrics(tmp_path: Path) -> None:
    found = history.metrics(ROW | {"alert": False})
    assert found == {"rows_in": 1_000.0, "drift": 1.0, "drift_share": 0.4, "alert": 0.0} | {
        "reference_drift_share": 0.0
    }
