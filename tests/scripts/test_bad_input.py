"""What a user gets for bad input, from the real command line: one clear line, the right exit code,
nothing half-written."""

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import lendingclub
from lendingclub import CONTRACT
from workspace import ROOT, Done, Workspace

pytestmark = pytest.mark.slow

APPLICATIONS = ROOT / "data" / "batch_input.csv"
HEADER, *ROWS = APPLICATIONS.read_text().splitlines()

Maker = Callable[[Path], None]


LABELLED = pl.read_csv(APPLICATIONS, infer_schema=False).with_columns(
    loan_status=pl.lit("Fully Paid")
)


def written(*changes: pl.Expr | str) -> Maker:
    """Applications with an outcome, each with the changes; a text is a column to leave out."""
    dropped = [change for change in changes if isinstance(change, str)]
    changed = [change for change in changes if not isinstance(change, str)]
    return lambda path: LABELLED.with_columns(changed).drop(dropped).write_csv(path)


def truncated(path: Path) -> None:
    whole = gzip.compress(LABELLED.write_csv().encode())
    path.write_bytes(whole[: len(whole) // 2])


FILES: dict[str, tuple[Maker, str]] = {
    "missing": (lambda path: None, "cannot read"),
    "a folder": (lambda path: path.mkdir(), "no file to read"),
    "empty": (lambda path: path.write_text(""), "is empty"),
    "header only": (lambda path: LABELLED.clear().write_csv(path), "has a header but no rows"),
    "without core columns": (written("annual_inc", "term"), "lacks the columns term, annual_inc"),
    "truncated gzip": (truncated, "cut off in the middle"),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 40), "neither text in UTF-8"),
    "log-transformed": (
        written(pl.col("annual_inc").cast(float).log1p()),
        "annual_inc looks log-transformed",
    ),
}


def made(fault: str, folder: Path) -> tuple[Path, str]:
    path = folder / "input.csv"
    make, words = FILES[fault]
    make(path)
    return path, words


def assert_refused(done: Done, words: str, code: int = 2) -> None:
    assert words in done.error
    assert done.code == code
    assert done.stdout == ""


@pytest.mark.parametrize("fault", FILES)
def test_a_batch_that_cannot_be_scored_leaves_nothing_behind(
    trained: Workspace, tmp_path: Path, fault: str
) -> None:
    path, words = made(fault, tmp_path)
    out = tmp_path / "out"
    done = trained.run("batch_predict", "--input-path", path, "--output-path", out)
    assert_refused(done, words)
    assert [p for p in out.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("fault", FILES)
def test_an_export_that_cannot_be_prepared_leaves_nothing_behind(
    workspace: Workspace, tmp_path: Path, fault: str
) -> None:
    path, words = made(fault, tmp_path)
    out = tmp_path / "out" / "prepared.parquet"
    assert_refused(workspace.run("prepare_data", "--input-path", path, "--output-path", out), words)
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            pl.lit("Fully Paid").alias("loan_status"),
            "was paid in full: a model needs loans of both",
        ),
        (pl.lit("Current").alias("loan_status"), "no loan has matured"),
        (pl.lit("Dec-2018").alias("issue_d"), "is before the issue month"),
        (pl.lit("paid").alias("loan_status"), "loan_status is not a known outcome"),
        ((pl.col("annual_inc").cast(float) + 1).log(), "annual_inc looks log-transformed"),
    ],
)
def test_loans_that_teach_nothing_are_refused(
    workspace: Workspace, export: Path, tmp_path: Path, change: pl.Expr, words: str
) -> None:
    path = tmp_path / "loans.csv"
    pl.read_csv(export, infer_schema=False, n_rows=20_000).with_columns(change).write_csv(path)
    assert_refused(workspace.run("train_with_mlflow", "--data-path", path), words)
    assert not (tmp_path / "mlruns").exists()


def test_training_refuses_a_leaking_column_by_name(
    workspace: Workspace, export: Path, tmp_path: Path
) -> None:
    prepared = tmp_path / "prepared.parquet"
    assert (
        workspace.run("prepare_data", "--input-path", export, "--output-path", prepared).code == 0
    )
    pl.read_parquet(prepared).with_columns(recoveries=0.0, total_pymnt=1.0).write_parquet(prepared)
    done = workspace.run("train_with_mlflow", "--data-path", prepared, "--as-of", "2019-03")
    assert_refused(done, "known only after the loan was granted: recoveries, total_pymnt")


@pytest.mark.parametrize(
    ("script", "arguments", "words"),
    [
        ("batch_predict", ["--model-name", "other"], "no model other with the alias staging"),
        ("batch_predict", ["--alias", "canary"], "with the alias canary"),
        ("promote_model", ["--from-alias", "canary"], "with the alias canary"),
        ("promote_model", ["--version", "77"], "no version 77"),
        ("promote_model", ["--rollback"], "with the alias production"),
        ("promote_model", ["--force"], "--force needs --reason"),
        ("monitor_predictions", [], "nothing was scored"),
        ("monitor_predictions", ["--run-date", "2026-01-01"], "no complete run of 2026-01-01"),
    ],
)
def test_what_is_not_there_is_named(
    trained: Workspace, tmp_path: Path, script: str, arguments: list[str], words: str
) -> None:
    more = ["--input-path", APPLICATIONS] if script == "batch_predict" else []
    done = trained.run(script, *arguments, *more, "--output-path", tmp_path / "out")
    assert_refused(done, words)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("script", ["train_with_mlflow", "promote_model", "batch_predict"])
def test_a_tracking_server_that_is_down_is_a_failure_to_retry(
    workspace: Workspace, export: Path, tmp_path: Path, script: str
) -> None:
    path = {"train_with_mlflow": ["--data-path", export], "promote_model": []}
    arguments = path.get(script, ["--input-path", APPLICATIONS, "--output-path", tmp_path / "out"])
    done = workspace.run(
        script,
        *arguments,
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert_refused(done, "the tracking server http://127.0.0.1:9 does not answer", code=1)
    assert not (tmp_path / "out").exists()


def test_bad_rows_are_rejected_with_a_reason_and_the_rest_is_scored(
    trained: Workspace, tmp_path: Path
) -> None:
    path, out = tmp_path / "input.csv", tmp_path / "out"
    columns = HEADER.split(",")

    def with_cell(row: str, name: str, cell: str) -> str:
        cells = row.split(",")
        cells[columns.index(name)] = cell
        return ",".join(cells)

    bad = [
        with_cell(ROWS[0], "annual_inc", "a lot"),
        with_cell(ROWS[1], "annual_inc", "-1"),
        with_cell(ROWS[2], "dti", "inf"),
        ROWS[3],
        with_cell(ROWS[4], "purpose", "caf\x81"),
        ROWS[5].rsplit(",", 3)[0],
        "",
    ]
    text = "\n".join([HEADER, *ROWS[3:4], *bad, *ROWS[6:]]) + "\n"
    path.write_bytes(text.encode("latin-1"))
    arguments = ("--input-path", path, "--output-path", out, "--run-date", "2026-02-03")
    refused = trained.run("batch_predict", *arguments)
    assert_refused(refused, "6 of 101 rows in")
    assert "MAX_REJECTED_SHARE=0.05" in refused.error
    done = trained.run("batch_predict", *arguments, MAX_REJECTED_SHARE="0.2").result
    assert (done["rows_in"], done["rows_scored"], done["rows_rejected"]) == (102, 95, 7)
    rejected = pl.read_csv(out / "predictions" / "run_date=2026-02-03" / "rejected.csv")
    reasons = dict(rejected.select("row", "reason").iter_rows())
    assert list(reasons) == [2, 3, 4, 5, 6, 7, 8]
    for row, words in zip(
        reasons,
        ["not a number", "outside", "outside", "repeats the id", "neither", "fields", "blank"],
        strict=True,
    ):
        assert words in reasons[row], (row, reasons[row])


def test_columns_in_another_order_and_extra_ones_change_nothing(
    trained: Workspace, tmp_path: Path
) -> None:
    frame = pl.read_csv(APPLICATIONS, infer_schema=False)
    other = frame.select(reversed(frame.columns)).with_columns(shoe_size=pl.lit("43"))
    other.write_csv(tmp_path / "other.csv")
    scores = []
    for path in (APPLICATIONS, tmp_path / "other.csv"):
        out = tmp_path / path.stem
        done = trained.run("batch_predict", "--input-path", path, "--output-path", out).result
        scores.append(pl.read_parquet(done["predictions_path"]))
    assert scores[0].equals(scores[1])
    assert all(0 < p < 1 and math.isfinite(p) for p in scores[0]["default_probability"])


def test_the_sample_request_is_a_typed_record() -> None:
    from loan_default.data import parsing

    request = json.loads((ROOT / "data" / "sample_input.json").read_text())["dataframe_split"]
    frame = pl.DataFrame(request["data"], schema=request["columns"], orient="row")
    assert set(request["columns"]) <= set(lendingclub.NAMES)
    assert parsing.parse(
        frame.with_row_index("row").cast({"row": pl.Int64}), CONTRACT
    ).rejected.is_empty()
