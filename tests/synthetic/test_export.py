import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import make_loans
from lendingclub import EXPORT
from loan_default.synthetic import generator


def run(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> dict[str, Any]:
    assert make_loans.main([str(argument) for argument in argv]) == 0
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


def test_the_file_holds_the_loans_and_two_footers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "new folder" / "loans.csv"
    result = run(capsys, "--rows", "2000", "--seed", "1", "--output-path", path)
    cells = pl.read_csv(path, infer_schema=False)
    assert tuple(cells.columns) == EXPORT and cells.height == 2_002
    funded = cells.head(-2)["funded_amnt"].cast(pl.Int64).sum()
    assert cells["id"][-2] == f"Total amount funded in policy code 1: {funded}"
    assert result["rows"] == 2_000 and result["output_path"] == str(path)
    assert 0.1 < result["default_rate"] < 0.25
    assert 0.6 < result["best_auc"] < 0.9
    assert result["best_auc_newest"] is not None and result["rows_per_second"] > 0


def test_the_seed_is_that_of_the_settings_unless_given(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANDOM_SEED", "9")
    run(capsys, "--rows", "200", "--output-path", tmp_path / "default.csv")
    run(capsys, "--rows", "200", "--seed", "9", "--output-path", tmp_path / "given.csv")
    assert (tmp_path / "default.csv").read_bytes() == (tmp_path / "given.csv").read_bytes()


def test_gzip_holds_the_same_lines_and_the_same_bytes_every_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("plain.csv", "one.csv.gz", "two.csv.gz"):
        run(capsys, "--rows", "500", "--seed", "2", "--output-path", tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    unpacked = gzip.decompress((tmp_path / "one.csv.gz").read_bytes())
    assert unpacked == (tmp_path / "plain.csv").read_bytes()


def test_the_truth_is_written_by_id(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    loans, truth = tmp_path / "loans.csv", tmp_path / "truth.csv"
    run(capsys, "--rows", "300", "--seed", "3", "--output-path", loans, "--truth-path", truth)
    (chunk,) = generator.generate(300, 3)
    written = pl.read_csv(truth)
    assert written["default_probability"].to_list() == chunk.default_probability.tolist()
    ids = pl.read_csv(loans, infer_schema=False).head(-2)["id"]
    assert written["id"].cast(pl.String).to_list() == ids.to_list()


def test_few_new_loans_have_no_rate_and_no_auc(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    result = run(capsys, "--rows", "1", "--output-path", tmp_path / "one.csv")
    assert (result["default_rate"], result["best_auc"], result["best_auc_newest"]) == (None,) * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "0", "--output-path", "a.csv"], "at least 1 loan"),
        (["--rows", "5", "--seed", "-1", "--output-path", "a.csv"], "0 or more"),
        (["--rows", "5", "--output-path", "folder"], "it is a folder"),
        (["--rows", "5", "--output-path", "file/a.csv"], "cannot write file/a.csv"),
        (["--rows", "5", "--output-path", "a.csv", "--truth-path", "./a.csv"], "the same file"),
        (["--rows", "5", "--output-path", "a.csv", "--truth-path", "folder"], "it is a folder"),
    ],
)
def test_bad_usage_is_one_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert make_loans.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert message in captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_failure_half_way_keeps_the_old_file_and_no_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(funded: int) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generator, "csv_footer", full_disk)
    path = tmp_path / "loans.csv"
    path.write_text("old")
    assert make_loans.main(["--rows", "200", "--output-path", str(path)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
