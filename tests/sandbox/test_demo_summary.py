"""The end of the demo: a table of what happened, and what to do next."""

from pathlib import Path
from typing import Any

import pytest

from loan_default.sandbox.demo_summary import print_summary
from loan_default.sandbox.local_stack import LocalStack

METRICS = {"AUC": 0.7174, "F1": 0.369, "Brier": 0.115, "calibration_error": 0.012}


@pytest.fixture
def results(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Results of the scripts on loans of one's own, whose model did not pass the gate."""
    artifacts = tmp_path / "artifacts"
    card = tmp_path / "mlruns" / "1" / "abc" / "artifacts" / "model_card.md"
    card.parent.mkdir(parents=True)
    card.touch()
    return {
        "prepare_data": {"rows_written": 20_810},
        "train": {
            "model_name": "loan_default_model",
            "model_version": "1",
            "run_id": "abc",
            "metrics": METRICS,
            "reasons": ["AUC 0.7174 is below the threshold 0.7500"],
        },
        "predict": {
            "rows_scored": 5_000,
            "rows_rejected": 3,
            "predictions_path": str(artifacts / "predictions" / "p.parquet"),
        },
        "monitor": {
            "drift": None,
            "reason": "3 rows are too few",
            "decision": "nothing: no drift was found",
            "report_html": str(artifacts / "reports" / "run_date=2026-11-25" / "drift_report.html"),
        },
    }


def shown(
    stack: LocalStack, results: dict[str, Any], capsys: pytest.CaptureFixture[str], keep: bool
) -> str:
    print_summary(stack, results, "own.csv", 65, keep)
    return capsys.readouterr().err


def test_a_model_that_was_not_promoted_says_why_and_where_to_go_on(
    tmp_path: Path, results: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    said = shown(LocalStack(tmp_path), results, capsys, keep=False)
    table = {
        cells[1].strip(): cells[2].strip()
        for cells in (line.split("│") for line in said.splitlines())
        if len(cells) == 4
    }
    assert table["Loans"] == "20,810 of own.csv"
    assert table["Promoted"] == "no: AUC 0.7174 is below the threshold 0.7500"
    assert table["Scored"] == "5,000 rows, 3 rejected"
    assert table["Drift"] == "too few rows to tell: 3 rows are too few"
    assert table["Time"] == "1:05 minutes"
    assert "docs/promotion.md" in said and f"rm -r {tmp_path}" in said
    files = said.split("Look at")[1].split("What next")[0].splitlines()[1:]
    assert [line.split()[0] for line in files if line] == [
        "artifacts/reports/index.html",
        "artifacts/reports/run_date=2026-11-25/drift_report.html",
        "artifacts/predictions/p.parquet",
        "mlruns/1/abc/artifacts/model_card.md",
    ]


def test_servers_that_still_run_are_named_with_what_stops_them(
    tmp_path: Path, results: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    stack = LocalStack(tmp_path)
    promoted = results | {"promote": {"promoted": True, "reasons": []}}
    said = shown(stack, promoted, capsys, keep=True)
    assert stack.airflow_url in said and stack.password in said and stack.mlflow_url in said
    assert "stops both" in said and "docs/promotion.md" not in said and "rm -r" not in said
