"""Monitoring as the DAG runs it: the script over scored days, with labels that come later."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlflow import MlflowClient

from loan_default import storage
from workspace import Workspace

pytestmark = pytest.mark.slow

DAY = "2019-03-28"


@pytest.fixture(scope="module")
def scored(
    narrow_trained: Workspace, narrow_export: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An output root with one scored day of loans of 2007 to 2018. Not to be changed by a test."""
    root = tmp_path_factory.mktemp("scored")
    arguments = ("--input-path", narrow_export, "--output-path", root, "--run-date", DAY)
    assert narrow_trained.run("batch_predict", *arguments, "--reasons", "none").code == 0
    return root


@pytest.fixture
def root(scored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scored, tmp_path / "out"))


def monitor(
    trained: Workspace, root: Path | str, *more: str | Path, **settings: str
) -> dict[str, Any]:
    return trained.run("monitor_predictions", "--output-path", root, *more, **settings).result


def labels(export: Path, path: Path, rows: slice) -> Path:
    """What became of the loans by the end of 2021: those still running were paid back."""
    read = pl.read_csv(export, columns=["id", "loan_status"], infer_schema=False)
    final = pl.col("loan_status").is_in(["Fully Paid", "Charged Off", "Default"])
    ended = pl.when(final).then("loan_status").otherwise(pl.lit("Fully Paid"))
    mixed = read.drop_nulls().with_columns(ended.alias("loan_status"))
    mixed.sample(fraction=1, shuffle=True, seed=1)[rows].write_csv(path)
    return path


INTERVAL = ["value", "low", "high"]
METRICS = {"outcomes": None, "defaults": None, "default_rate": INTERVAL, "mean_probability": None}
METRICS |= {"AUC": INTERVAL, "F1": INTERVAL, "Brier": INTERVAL}
RESULT = {
    **dict.fromkeys(("run_date", "source", "model_name", "model_version")),
    **dict.fromkeys(("drift", "reason", "drift_share", "drifted_columns")),
    **dict.fromkeys(("compared_with", "recent_runs")),
    **dict.fromkeys(("reference_drift", "reference_drift_share", "reference_drifted_columns")),
    **dict.fromkeys(("rows_in", "sampled_rows", "report_html", "report_json", "findings")),
    "plausibility": ["severity", "accepted_because", "findings"],
    "labels": [
        *("labels_path", "as_of", "rows_in", "rows_rejected", "repeated"),
        *("contradictions", "corrections", "ids", "ids_matched", "matched_share"),
    ],
    "estimate": ["kind", "rows", "default_rate", "AUC", "F1", "Brier"],
    "quality_report": None,
    "realised": {
        **dict.fromkeys(("kind", "as_of", "coverage", "learned_from")),
        **METRICS,
        "immature": None,
    },
    **dict.fromkeys(("alert", "retrain", "decision", "severity", "because")),
    **dict.fromkeys(("overview", "mlflow_run_id", "evidently_ui", "alert_subject", "alert_text")),
}


def keys(value: Any) -> Any:
    """The keys of a JSON document in their order."""
    if not isinstance(value, dict):
        return None
    inner = {name: keys(item) for name, item in value.items()}
    return inner if any(item is not None for item in inner.values()) else list(inner)


def test_outcomes_are_evaluated_when_they_come_and_estimated_until_then(
    narrow_trained: Workspace, narrow_export: Path, root: Path, tmp_path: Path
) -> None:
    before = monitor(narrow_trained, root, EVIDENTLY_UI_URL="http://127.0.0.1:9")
    ui = before["evidently_ui"]
    assert ui["url"] is None and "http://127.0.0.1:9 did not accept" in ui["error"]
    assert before["labels"] is None and before["realised"] is None
    assert before["estimate"]["kind"] == "estimate" and 0.5 < before["estimate"]["AUC"] < 1
    part, rest = (
        labels(narrow_export, tmp_path / f"{name}.csv", rows)
        for name, rows in (("part", slice(0, 8_000)), ("rest", slice(7_000, None)))
    )
    first = monitor(narrow_trained, root, "--labels", part, "--labels-as-of", "2021-12")["realised"]
    again = monitor(narrow_trained, root, "--labels", part, "--labels-as-of", "2021-12")
    assert json.dumps(keys(again)) == json.dumps(RESULT)
    assert again["labels"]["repeated"] is True and again["realised"] == first
    assert again["labels"]["matched_share"] == 1
    assert again["labels"]["contradictions"] == again["labels"]["corrections"] == 0
    assert 0.2 < first["coverage"] < 0.6 and first["immature"] > 500
    assert first["learned_from"] > 3_000
    whole = monitor(narrow_trained, root, "--labels", rest, "--labels-as-of", "2021-12")["realised"]
    assert whole["coverage"] > 0.99 and whole["outcomes"] > 1.8 * first["outcomes"]
    assert whole["AUC"]["low"] < whole["AUC"]["value"] < whole["AUC"]["high"]
    after = monitor(narrow_trained, root)
    assert after["realised"] == whole, "without new labels the figures stay"
    assert after["mlflow_run_id"] == before["mlflow_run_id"], "a day has one run in MLflow"
    client = MlflowClient(narrow_trained.settings["MLFLOW_TRACKING_URI"])
    run = client.get_run(after["mlflow_run_id"])
    assert run.data.metrics["AUC"] == whole["AUC"]["value"]
    kept = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert kept == {"drift_report.html", "drift_report.json", "quality_report.json"}
    assert "AUC, realised" in Path(after["overview"]).read_text()
    report = json.loads(Path(after["quality_report"]).read_text())
    months = report["realised"]["by_month"]
    assert sum(month["outcomes"] for month in months) == whole["outcomes"]
    named = [month["month"] for month in months]
    assert (min(named), max(named)) == ("2016-04", "2018-12"), "those that nobody learned from"


def test_outcomes_that_belong_to_no_application_are_a_finding_and_an_alert(
    narrow_trained: Workspace, narrow_export: Path, root: Path, tmp_path: Path
) -> None:
    monitor(narrow_trained, root)
    path = labels(narrow_export, tmp_path / "labels.csv", slice(0, 2_000))
    read = pl.read_csv(path, infer_schema=False)
    lost = read.with_columns(
        pl.when(pl.int_range(pl.len()) % 10 < 9)
        .then("id-" + pl.col("id"))
        .otherwise("id")
        .alias("id")
    )
    pl.concat(
        [
            lost,
            lost.head(1).with_columns(loan_status=pl.lit("Charged Off")),
            lost.head(1).with_columns(loan_status=pl.lit("Fully Paid")),
        ]
    ).write_csv(path)
    found = monitor(narrow_trained, root, "--labels", path, "--labels-as-of", "2021-12")
    assert found["labels"]["contradictions"] == 1
    assert 0.05 < found["labels"]["matched_share"] < 0.15
    finding, contradiction, *_ = found["findings"]
    assert "delivered outcomes belong to a scored application, not for example 'id-" in finding
    assert contradiction.startswith("1 ids were delivered both as defaulted and as repaid")
    assert found["alert"] is True and found["because"] == "outcomes of other ids"
    assert finding in found["alert_text"]
    quiet = monitor(narrow_trained, root, "--labels", path, QUALITY_MIN_MATCHED="0")
    assert quiet["alert"] is False


@pytest.mark.parametrize(
    "text, said",
    [(None, "cannot read"), ("id,grade\n1,A\n", "lacks the columns id and loan_status")],
)
def test_labels_that_are_none_are_refused_in_one_line(
    narrow_trained: Workspace, root: Path, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "labels.csv"
    if text:
        path.write_text(text)
    done = narrow_trained.run("monitor_predictions", "--output-path", root, "--labels", path)
    assert done.code == 2 and said in done.error
    assert not (root / "outcomes").exists() and not (root / "reports").exists()


def score(trained: Workspace, root: Path | str, day: str, path: Path) -> None:
    arguments = ("--input-path", path, "--output-path", root, "--run-date", day)
    assert trained.run("batch_predict", *arguments, "--reasons", "none").code == 0


def test_alerts_compare_with_the_recent_days_once_there_are_enough(
    narrow_trained: Workspace, narrow_export: Path, tmp_path: Path
) -> None:
    """Applicants who are not the reference's but like yesterday's call for nothing; until there is
    a yesterday they alert, and they retrain when they stay."""
    root, richer, day = tmp_path / "out", tmp_path / "richer.csv", "2026-03-0{}".format
    loans = pl.read_csv(narrow_export, infer_schema=False).drop_nulls("loan_amnt")
    dollars = [pl.col(name).cast(pl.Float64) * 1.8 for name in ("annual_inc", "revol_bal")]
    loans.with_columns(dollars).tail(6_000).write_csv(richer)
    more = {"DRIFT_RECENT_RUNS": "2", "DRIFT_SHARE_THRESHOLD": "0.01"}
    more |= {"DRIFT_RETRAIN_DAYS": "2", "RETRAIN_COOLDOWN_DAYS": "0"}
    found = []
    for number in (1, 2):
        score(narrow_trained, root, day(number), richer)
        found.append(monitor(narrow_trained, root, **more))
        assert (found[-1]["compared_with"], found[-1]["recent_runs"]) == ("reference", [])
        assert found[-1]["drift"] is found[-1]["reference_drift"] is True
    first, second = found
    assert {"annual_inc", "revol_bal"} <= set(first["drifted_columns"])
    assert (first["alert"], first["retrain"], first["severity"]) == (True, False, "warning")
    assert first["decision"] == "no retraining: drift has lasted 1 of 2 scored days"
    assert (second["alert"], second["retrain"], second["severity"]) == (True, True, "critical")
    assert f"Since: {day(1)}, 2 scored days in a row" in second["alert_text"]
    assert second["report_html"] in second["alert_text"] and "annual_inc" in second["alert_text"]
    (root / "reports" / "history.parquet").unlink()
    score(narrow_trained, root, day(3), richer)
    third = monitor(narrow_trained, root, "--run-date", day(3), **more)
    assert third["recent_runs"] == [day(1), day(2)] and third["compared_with"] == "recent"
    assert third["drift"] is False and third["reference_drift"] is True
    assert (third["alert"], third["alert_text"]) == (False, None)
    assert "annual_inc" in third["reference_drifted_columns"]
    report = json.loads(Path(third["report_json"]).read_text())
    assert report["beside"]["verdict"]["drift"] is True


def test_outcomes_that_fall_short_retrain_once(
    narrow_trained: Workspace, narrow_export: Path, root: Path, tmp_path: Path
) -> None:
    flipped = pl.col("loan_status").replace(
        {"Fully Paid": "Charged Off", "Charged Off": "Fully Paid", "Default": "Fully Paid"}
    )
    path = labels(narrow_export, tmp_path / "labels.csv", slice(None))
    pl.read_csv(path).with_columns(flipped).write_csv(path)
    arguments = ("--labels", path, "--labels-as-of", "2021-12")
    quiet = {"RETRAIN_COOLDOWN_DAYS": "0", "DRIFT_SHARE_THRESHOLD": "1"}
    first = monitor(narrow_trained, root, *arguments, "--idempotency-key", "1", **quiet)
    assert (first["because"], first["severity"]) == ("quality loss", "critical")
    assert first["decision"].startswith("retraining triggered: realised AUC 0.")
    assert first["alert_subject"] == f"Quality loss on {DAY} (critical)"
    retry = monitor(narrow_trained, root, *arguments, "--idempotency-key", "1", **quiet)
    assert (retry["retrain"], retry["decision"]) == (True, first["decision"])
    again = monitor(narrow_trained, root, "--idempotency-key", "2", **quiet)
    assert (again["alert"], again["retrain"]) == (False, False)
    lines = (root / "reports" / "decisions.jsonl").read_text().splitlines()
    assert [json.loads(line)["retrain"] for line in lines] == [True, False]


def test_the_online_log_is_monitored_and_evaluated_like_a_batch(
    narrow_trained: Workspace, narrow_export: Path, scored: Path, tmp_path: Path
) -> None:
    """The rows of a batch, as the scoring server would have logged them two days later."""
    root, folder = tmp_path / "out", scored / "predictions" / f"run_date={DAY}"
    rows = pl.read_parquet(folder / "sample.parquet").with_columns(
        model_version=pl.lit("1"),
        request_id=pl.lit("r"),
        time=pl.lit(datetime(2019, 3, 30, 12, tzinfo=UTC)),
    )
    online = root / "online" / "date=2019-03-30"
    online.mkdir(parents=True)
    for number, part in enumerate(rows.iter_slices(7_000)):
        part.write_parquet(online / f"{number}.parquet")
    batch = narrow_trained.run("monitor_predictions", "--output-path", root)
    assert batch.code == 2 and "nothing was scored" in batch.error
    found = monitor(narrow_trained, root, "--source", "online")
    assert (found["run_date"], found["source"]) == ("2019-03-30", "online")
    assert found["sampled_rows"] == found["rows_in"] == rows.height
    assert found["drift"] is not None and Path(found["report_html"]).exists()
    labelled = labels(narrow_export, tmp_path / "labels.csv", slice(None))
    more = ("--source", "both", "--labels", labelled, "--labels-as-of", "2024-06")
    judged = monitor(narrow_trained, root, *more)["realised"]
    assert judged["coverage"] > 0.4 and judged["outcomes"] > 5_000


def test_everything_may_lie_in_a_bucket(
    narrow_trained: Workspace, narrow_export: Path, bucket: str, tmp_path: Path
) -> None:
    root, day = f"{bucket}/monitored", "2019-03-28"
    score(narrow_trained, root, day, narrow_export)
    remote = f"{bucket}/in/labels.csv"
    storage.write_text(
        remote, labels(narrow_export, tmp_path / "labels.csv", slice(None)).read_text()
    )
    found = monitor(narrow_trained, root, "--labels", remote, "--labels-as-of", "2021-12")
    assert found["realised"]["outcomes"] > 3_000
    assert found["overview"] == f"{root}/reports/index.html"
    names = {path.removeprefix(f"{root}/") for path in storage.files_below(root)}
    assert {
        "reports/history.parquet",
        "reports/index.html",
        f"reports/run_date={day}/drift_report.html",
        f"reports/run_date={day}/quality_report.json",
        f"reports/run_date={day}/decision.json",
        "outcomes/realised.json",
    } <= names
