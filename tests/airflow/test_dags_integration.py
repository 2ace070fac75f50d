"""The four DAGs through a real scheduler, with a local HTTP endpoint standing for Slack and a real
mail server."""

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from aiosmtpd.controller import Controller

import postgres
from lender import APPLICATIONS, MAIL, Inbox, Lender, backfilled, ended, scripts, states
from loan_default.sandbox.local_stack import LocalStack, free_ports, running
from parsed_dags import BATCH, MONITOR, PROMOTE, TRAIN
from waiting import wait_for
from workspace import NARROW, QUICK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# The newest day that a run may have.
TOMORROW = str(datetime.now(UTC).date() + timedelta(days=1))

# A killed scheduler's tasks are found dead within seconds, not minutes.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}


@pytest.fixture(scope="module")
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(scope="module")
def applications(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample of 100 applications, with the columns of `narrow_export`."""
    path = tmp_path_factory.mktemp("applications") / "applications.csv"
    every = pl.read_csv(APPLICATIONS, infer_schema=False)
    every.select(name for name in NARROW if name in every.columns).write_csv(path)
    return path


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    narrow_export: Path,
    applications: Path,
    inbox: Inbox,
) -> Iterator[LocalStack]:
    """Airflow on PostgreSQL where it is on the machine, else on SQLite, and its messages read."""
    slack = inbox.slack_server()
    with contextlib.ExitStack() as opened:
        (port,) = free_ports(1)
        mail = Controller(inbox, hostname="127.0.0.1", port=port)
        mail.start()
        opened.callback(mail.stop)
        database = ""
        if postgres.programs():
            database = opened.enter_context(postgres.server())
        settings = {
            "TRAIN_DATA_PATH": str(narrow_export),
            "BATCH_INPUT_PATH": str(applications),
            "PROMOTION_AUC_THRESHOLD": "0.5",
            "PROMOTION_PRICE_GAIN": "-1",
            "DRIFT_SHARE_THRESHOLD": "0.05",
            "RETRAIN_COOLDOWN_DAYS": "0",
            "DRIFT_RETRAIN_DAYS": "1",
            "AIRFLOW_CONN_SLACK_WEBHOOK": json.dumps(
                {
                    "conn_type": "slackwebhook",
                    "password": f"http://127.0.0.1:{slack.server_port}/services/secret",
                }
            ),
            "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(
                {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": MAIL}
            ),
            **QUICK,
            **IMPATIENT,
        }
        folder = tmp_path_factory.mktemp("stack")
        yield opened.enter_context(running(LocalStack(folder, settings, database)))


@pytest.fixture(scope="module")
def drifted(narrow_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Applications whose incomes are in thousands and whose rates went up."""
    path = tmp_path_factory.mktemp("drifted") / "applications.csv"
    loans = pl.read_csv(narrow_export, n_rows=2_000, infer_schema=False)
    income = pl.col("annual_inc").cast(pl.Float64) * 4
    dti = pl.col("dti").cast(pl.Float64) * 1.5
    loans.with_columns(income, dti, purpose=pl.lit("vacation")).write_csv(path)
    return path


def test_training_promotes_scores_monitors_and_tells(stack: LocalStack, inbox: Inbox) -> None:
    lender = Lender(stack, "happy")
    run_id, tasks = lender.train()
    assert states(tasks) == {
        "prepare_data": "success",
        "train": "success",
        "decide": "success",
        "promote": "success",
        "skip_promotion": "skipped",
        "rescore": "success",
    }
    for dag_id in (PROMOTE, BATCH, MONITOR):
        assert [run["state"] for run in lender.ran(dag_id)] == ["success"], dag_id
    (version,) = lender.versions()
    assert version.tags["triggered_by"] == stack.user
    promotion = lender.child(TRAIN, run_id, "promote")
    assert version.tags["trigger_source"] == f"{PROMOTE} {promotion} of {TRAIN} {run_id}"
    batch = lender.child(TRAIN, run_id, "rescore")
    scored = lender.api.result(BATCH, batch, "predict")
    assert (scored["rows_in"], scored["model_version"]) == (100, "1")
    assert Path(scored["marker_path"]).read_text().strip() == scored["predictions_path"]
    monitored = lender.api.result(MONITOR, lender.child(BATCH, batch, "monitor"), "monitor")
    assert Path(monitored["report_html"]).stat().st_size > 100_000
    for told in inbox.starting("Promoted: version 1\n"):
        assert any(run_id in text for text in told)

    # Nothing has newly matured since: the same version stands and nothing is promoted.
    run_id, tasks = lender.train()
    assert tasks["promote"]["state"] == "skipped" and len(lender.versions()) == 1
    said = lender.api.result(TRAIN, run_id, "skip_promotion")
    assert said == "Version 1 stands: same data, settings and training code."
    assert [run["state"] for run in lender.ran(BATCH)] == ["success"] * 2


def test_a_refused_promotion_says_why_and_a_down_slack_fails_nothing(
    stack: LocalStack, inbox: Inbox
) -> None:
    lender = Lender(stack, "refused")
    inbox.slack_answers = 500
    run_id, tasks = lender.train(auc_threshold=0.99)
    inbox.slack_answers = 200
    assert tasks["promote"]["state"] == "skipped" and lender.ran(PROMOTE) == []
    reason = lender.api.result(TRAIN, run_id, "skip_promotion")
    assert re.fullmatch(r"AUC 0\.\d{4} is below the threshold 0\.9900", reason)
    slack, (mail,) = inbox.starting("Not promoted: refused version 1")
    assert slack == [] and reason in mail
    assert "slack_webhook: could not send" in lender.api.log(TRAIN, run_id, "skip_promotion")
    batch = lender.child(TRAIN, run_id, "rescore")
    assert lender.api.result(BATCH, batch, "predict")["model_version"] == "1"
    assert lender.aliases() == {"staging": "1"}


def test_bad_input_fails_at_once_and_the_message_arrives(stack: LocalStack, inbox: Inbox) -> None:
    lender = Lender(stack, "failing")
    run_id, tasks = lender.train(data_path="/nowhere/loans.csv")
    assert states(tasks)["prepare_data"] == "failed" and tasks["prepare_data"]["try_number"] == 1
    assert states(tasks)["rescore"] == "upstream_failed" and lender.ran(BATCH) == []
    for (text,) in inbox.starting(f"Failed: {TRAIN}, task prepare_data"):
        assert "cannot read /nowhere/loans.csv" in text and run_id in text
        assert stack.airflow_url in text


def test_a_killed_scheduler_resumes_and_registers_one_version(stack: LocalStack) -> None:
    lender = Lender(stack, "killed")
    run_id = lender.api.trigger(TRAIN, lender.conf)
    wait_for(lambda: scripts("train_with_mlflow", "--model-name=killed"), 60)
    stack.kill("scheduler")
    wait_for(lambda: not scripts("train_with_mlflow", "--model-name=killed"), 10)
    assert lender.versions() == []
    stack.start_airflow("scheduler")
    tasks = lender.finish(TRAIN, run_id)
    assert tasks["train"]["state"] == "success" and tasks["train"]["try_number"] > 1
    assert [version.version for version in lender.versions()] == ["1"]
    for dag_id in (PROMOTE, BATCH, MONITOR):
        assert [run["state"] for run in lender.ran(dag_id)] == ["success"], dag_id


def test_a_backfill_and_its_rerun_give_the_same_files_and_call_for_nothing(
    stack: LocalStack, inbox: Inbox, drifted: Path
) -> None:
    lender = Lender(stack, "happy")
    days = ["2026-03-01", "2026-03-02", "2026-03-03"]
    marker = lender.root / "predictions" / "latest_prediction.txt"
    newest, alerts = marker.read_text(), inbox.starting("Drift on")
    conf = lender.conf | {"input_path": str(drifted)}
    lender.api.backfill(BATCH, days[0], days[-1], conf)
    runs = wait_for(lambda: ended(backfilled(lender), 3), 180)
    assert [run["logical_date"][:10] for run in runs] == days
    middle = runs[1]["dag_run_id"]
    wait_for(lambda: ended(lender.ran(MONITOR), 5), 120)
    before, monitored = lender.files(days[1]), lender.ran(MONITOR)
    assert len(before) == 4
    lender.api.clear(BATCH, middle)
    lender.finish(BATCH, middle)
    assert lender.api.tasks(BATCH, middle)["predict"]["try_number"] == 2
    assert lender.files(days[1]) == before and marker.read_text() == newest
    assert lender.ran(MONITOR) == monitored, "a cleared day is not monitored again"
    for run in monitored[-3:]:
        result = lender.api.result(MONITOR, run["dag_run_id"], "monitor")
        assert (result["drift"], result["alert"], result["retrain"]) == (True, False, False)
    assert inbox.starting("Drift on") == alerts


def test_drift_alerts_and_retrains_once_and_cannot_loop(
    stack: LocalStack, inbox: Inbox, narrow_export: Path
) -> None:
    """The stack has no cool-down, so only what was decided before can end the circle.

    Most of the days before are the backfill's: beside those, usual applications are the change.
    """
    lender = Lender(stack, "happy")
    conf = lender.conf | {"input_path": str(narrow_export), "run_date": TOMORROW}
    trainings, results = len(lender.ran(TRAIN)), []
    for _ in range(2):
        run_id = lender.api.trigger(BATCH, conf)
        lender.finish(BATCH, run_id)
        monitoring = lender.child(BATCH, run_id, "monitor")
        results.append(lender.api.result(MONITOR, monitoring, "monitor"))
    first, second = results
    assert (first["drift"], first["alert"], first["retrain"]) == (True, True, True)
    assert (second["drift"], second["alert"], second["retrain"]) == (True, False, False)
    (retraining,) = lender.ran(TRAIN)[trainings:]
    assert retraining["conf"]["triggered_by"] == f"drift on {TOMORROW}"
    assert retraining["state"] == "success" and retraining["dag_run_id"].startswith(MONITOR)
    for (alert,) in inbox.starting(f"Drift on {TOMORROW}"):
        assert "annual_inc" in alert and first["report_html"] in alert
