from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lendingclub
from lendingclub import CONTRACT
from loan_default.batch import score as batch
from loan_default.data import csv_reader, ingest
from loan_default.model.artifact import Model
from loan_default.model.economics import Economics
from records import fitted_model, typed_loans

LOANS = typed_loans(3000)
DAY = date(2026, 3, 1)


@pytest.fixture(scope="module")
def fitted() -> Model:
    return fitted_model(LOANS, rounds=10)


def score(fitted: Model, path: Path, folder: Path, day: date = DAY) -> dict[str, object]:
    folder.mkdir()
    with ingest.open_loans(str(path), CONTRACT, day) as applications:
        return batch.score_blocks(applications, batch.ScoringJob(fitted, "1", "none", day), folder)


@pytest.fixture
def applications(tmp_path: Path) -> Path:
    path = tmp_path / "applications.csv"
    broken = LOANS.select("id", *lendingclub.NAMES).with_columns(
        annual_inc=pl.when(pl.int_range(pl.len()) % 100 == 7)
        .then(-1)
        .otherwise(pl.col("annual_inc")),
        purpose=pl.when(pl.int_range(pl.len()) % 50 == 8)
        .then(pl.lit("a yacht"))
        .otherwise(pl.col("purpose")),
    )
    broken.write_csv(path)
    return path


def test_every_row_is_scored_or_rejected_and_counted(
    fitted: Model, applications: Path, tmp_path: Path
) -> None:
    counts = score(fitted, applications, tmp_path / "out")
    predictions = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    rejected = pl.read_csv(tmp_path / "out" / "rejected.csv")
    assert (counts["rows_in"], counts["rows_scored"], counts["rows_rejected"]) == (3000, 2970, 30)
    assert (predictions.height, rejected.height) == (2970, 30)
    assert counts["rows_declined"] == predictions["prediction"].sum()
    assert counts["mean_probability"] == pytest.approx(predictions["default_probability"].mean())
    by_column = counts["columns"]
    assert by_column["annual_inc"]["rejected"] == 30
    assert by_column["purpose"]["unknown"] == 60
    assert by_column["emp_length"]["missing"] == pytest.approx(297, abs=60)


def test_the_scores_are_the_models(fitted: Model, tmp_path: Path) -> None:
    LOANS.select("id", *lendingclub.NAMES).write_parquet(tmp_path / "in.parquet")
    score(fitted, tmp_path / "in.parquet", tmp_path / "out")
    predictions = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert predictions["id"].to_list() == LOANS["id"].to_list()
    assert (predictions["default_probability"].to_numpy() == fitted.probability(LOANS)).all()


def test_expected_loss_and_return_are_columns(fitted: Model, tmp_path: Path) -> None:
    measured = Economics(loss_share=0.5, earned_share=0.0004)
    model = replace(fitted, facts=replace(fitted.facts, economics=measured))
    LOANS.select("id", *lendingclub.NAMES).write_parquet(tmp_path / "in.parquet")
    score(model, tmp_path / "in.parquet", tmp_path / "out")
    predictions = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    loss = predictions["default_probability"] * 0.5 * LOANS["loan_amnt"]
    assert predictions["expected_loss"].to_list() == pytest.approx(loss.to_list(), abs=0.01)
    assert predictions["expected_return"].null_count() == 0


def test_the_same_input_gives_the_same_bytes(
    fitted: Model, applications: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "SAMPLE_ROWS", 500)
    for name in ("first", "second"):
        score(fitted, applications, tmp_path / name)
    for name in batch.PREDICTIONS, batch.SAMPLE, batch.REJECTED_FILE:
        first, second = (tmp_path / run / name for run in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_blocks_do_not_change_the_scores_or_the_sample(
    fitted: Model, applications: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(fitted, applications, tmp_path / "one")
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 20_000)
    score(fitted, applications, tmp_path / "many")
    for name in batch.PREDICTIONS, batch.SAMPLE:
        one, many = (pl.read_parquet(tmp_path / run / name) for run in ("one", "many"))
        assert one.equals(many)


def test_the_sample_is_uniform_bounded_and_differs_by_date() -> None:
    def places(day: date, block: int) -> list[int]:
        sample = batch._Sample(day, 400, CONTRACT)
        for start in range(0, 3000, block):
            records = LOANS[start : start + block].with_columns(
                row=pl.int_range(start, min(start + block, 3000), dtype=pl.Int64)
            )
            scored = records.with_columns(default_probability=0.5, prediction=1)
            sample.add(records, scored)
        found = sample.frame()
        assert found.columns == ["id", *lendingclub.NAMES, "default_probability", "prediction"]
        return [int(name.rsplit("-")[-1]) for name in found["id"]]

    chosen = places(DAY, 100)
    assert len(set(chosen)) == 400 and chosen == sorted(chosen)
    assert 1350 < np.mean(chosen) < 1650
    assert chosen == places(DAY, 1000)
    assert chosen != places(date(2026, 3, 2), 100)


def test_rows_without_an_id_get_one_that_no_other_run_has(fitted: Model, tmp_path: Path) -> None:
    loans = LOANS.head(3).select(pl.Series("id", [None, "a", None]), *lendingclub.NAMES)
    loans.write_csv(tmp_path / "in.csv")
    loans.drop("id").write_csv(tmp_path / "none.csv")
    counts = score(fitted, tmp_path / "in.csv", tmp_path / "out")
    score(fitted, tmp_path / "in.csv", tmp_path / "next", date(2026, 3, 2))
    nowhere = score(fitted, tmp_path / "none.csv", tmp_path / "none")
    for name in batch.PREDICTIONS, batch.SAMPLE:
        found, later = (pl.read_parquet(tmp_path / run / name)["id"] for run in ("out", "next"))
        assert found.to_list() == ["no-id:2026-03-01/1", "a", "no-id:2026-03-01/3"]
        assert set(found) & set(later) == {"a"}
    assert counts["columns"]["id"]["missing"] == 2
    assert nowhere["columns"]["id"]["missing"] == 3


def test_ids_written_as_floats_are_the_same_ids(fitted: Model, tmp_path: Path) -> None:
    loans = LOANS.head(3).select(pl.Series("id", [1.0, 2.0, 2000663.0]), *lendingclub.NAMES)
    loans.write_csv(tmp_path / "in.csv")
    loans.write_parquet(tmp_path / "in.parquet")
    for name in "in.csv", "in.parquet":
        score(fitted, tmp_path / name, tmp_path / f"out-{name}")
        found = pl.read_parquet(tmp_path / f"out-{name}" / batch.PREDICTIONS)
        assert found["id"].to_list() == ["1", "2", "2000663"]


def test_fewer_rows_than_the_sample_are_all_in_it(fitted: Model, tmp_path: Path) -> None:
    LOANS.head(50).select("id", *lendingclub.NAMES).write_parquet(tmp_path / "in.parquet")
    score(fitted, tmp_path / "in.parquet", tmp_path / "out")
    assert (
        pl.read_parquet(tmp_path / "out" / "sample.parquet")["id"].to_list()
        == LOANS["id"][:50].to_list()
    )
