"""What a run of a DAG passes on: to its scripts, to the next DAG and to people."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.param import process_params

from notifications import NotifyOperator
from parsed_dags import BATCH, MONITOR, PROMOTE, SCHEDULES, TRAIN, context, parsed, rendered, tasks
from trigger_once import TriggerOnceOperator


def test_a_trigger_gives_the_run_an_id_of_its_own_and_no_logical_date(dag: DAG) -> None:
    for task in tasks(dag, TriggerOnceOperator):
        child = rendered(dag, task.task_id, {"run_id": "manual__2026-05-09T06:00:00+00:00"})
        assert child.logical_date is None
        assert child.trigger_run_id == f"{dag.dag_id}__manual__2026-05-09T06:00:00+00:00"
        assert child.trigger_dag_id in SCHEDULES


@pytest.mark.parametrize("end", ["2026-05-09", "2026-05-10"])
def test_an_endless_chain_of_triggers_has_ids_that_airflow_can_hold(end: str, dag: DAG) -> None:
    for task in tasks(dag, TriggerOnceOperator):
        child = rendered(parsed(dag.dag_id), task.task_id, {"run_id": "x" * 240 + end})
        assert len(child.trigger_run_id) <= 250 and child.trigger_run_id.endswith(end)


@pytest.mark.parametrize(
    "given",
    [{}, {"output_path": "/a \"quoted\" & 'odd' <path>"}],
    ids=["as in the settings", "odd characters"],
)
def test_what_a_trigger_passes_is_what_the_other_dags_form_takes(
    dag: DAG, given: dict[str, Any]
) -> None:
    for task in tasks(dag, TriggerOnceOperator):
        passed = json.loads(rendered(dag, task.task_id, **given).conf)
        child = parsed(task.trigger_dag_id)
        assert set(passed) <= set(child.params)
        params = process_params(child, child.tasks[0], passed, suppress_exception=False)
        assert passed.items() <= params.items()
        assert passed["output_path"] == given.get("output_path")


def test_a_training_passes_its_version_its_gate_and_who_wanted_it() -> None:
    gate = {"auc_threshold": 0.0, "f1_threshold": None, "calibration_tolerance": 1}
    passed = json.loads(rendered(parsed(TRAIN), "promote", **gate).conf)
    assert passed == gate | {
        "version": "7",
        "model_name": "a 'model' & more",
        "output_path": None,
        "triggered_by": "the schedule",
        "trigger_source": f"{TRAIN} scheduled__2026-05-09T06:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("run", "params", "who"),
    [
        ({}, {}, "the schedule"),
        ({"run_type": "manual", "triggering_user_name": "ada"}, {}, "ada"),
        ({"run_type": "manual", "triggering_user_name": "ada"}, {"triggered_by": "bob"}, "bob"),
        ({"run_type": "manual"}, {}, "manual"),
    ],
)
def test_it_is_known_who_wanted_it(run: dict[str, Any], params: dict[str, Any], who: str) -> None:
    assert json.loads(rendered(parsed(TRAIN), "promote", run, **params).conf)["triggered_by"] == who
    assert rendered(parsed(PROMOTE), "promote", run, **params).flags["--triggered-by"] == who


@pytest.mark.parametrize(
    ("run", "params", "day"),
    [
        ({}, {}, "2026-05-09"),
        ({"logical_date": None}, {}, "2026-05-11"),
        ({}, {"run_date": "2026-01-31"}, "2026-01-31"),
    ],
)
def test_a_batch_is_for_the_forms_day_else_the_schedules_else_today(
    run: dict[str, Any], params: dict[str, Any], day: str
) -> None:
    assert rendered(parsed(BATCH), "predict", run, **params).flags["--run-date"] == day


def test_a_scored_day_is_monitored_and_a_backfilled_one_only_reported() -> None:
    for run_type, report_only in (("scheduled", False), ("backfill", True), ("manual", False)):
        passed = json.loads(rendered(parsed(BATCH), "monitor", {"run_type": run_type}).conf)
        assert passed == {"run_date": "2026-05-10", "output_path": None, "report_only": report_only}


def test_after_a_training_the_newest_scored_day_is_scored_anew_with_its_own_file() -> None:
    passed = json.loads(rendered(parsed(TRAIN), "rescore", {"logical_date": None}).conf)
    assert passed["rescore"] is True and not {"run_date", "input_path"} & set(passed)
    command = rendered(parsed(BATCH), "predict", {"logical_date": None}, **passed).command()
    assert {"--rescore", "--latest"} <= set(command)


@pytest.mark.parametrize("given", [{"run_date": "2026-05-02"}, {"input_path": "a.csv"}])
def test_a_day_or_a_file_that_is_named_is_the_one_that_is_scored_anew(given: Any) -> None:
    command = rendered(parsed(BATCH), "predict", rescore=True, **given).command()
    assert "--rescore" in command and "--latest" not in command


@pytest.mark.parametrize(
    ("hour", "day"), [(0, "2026-05-09"), (2, "2026-05-09"), (6, "2026-05-10"), (23, "2026-05-10")]
)
def test_until_a_day_is_scored_a_rescoring_takes_none_that_is_still_due(
    hour: int, day: str
) -> None:
    triggered = {"logical_date": None, "run_after": datetime(2026, 5, 10, hour, 30, tzinfo=UTC)}
    flags = rendered(parsed(BATCH), "predict", triggered, rescore=True).flags
    assert flags["--run-date"] == day
    assert rendered(parsed(BATCH), "predict", triggered).flags["--run-date"] == "2026-05-10"


def test_a_further_file_of_a_day_has_a_name() -> None:
    assert rendered(parsed(BATCH), "predict", batch="noon").flags["--batch"] == "noon"
    assert rendered(parsed(BATCH), "predict").flags["--batch"] == ""


def test_the_messages_can_be_written_from_what_the_scripts_say(dag: DAG) -> None:
    for task in tasks(dag, NotifyOperator):
        filled = rendered(dag, task.task_id)
        assert len(filled.subject.splitlines()) == 1 and filled.text


@pytest.mark.parametrize("promoted", [True, False])
def test_a_promotion_is_told_with_its_checks(promoted: bool) -> None:
    checks = [{"passed": promoted, "reason": "AUC 0.71"}, {"passed": True, "reason": "F1 0.4"}]
    result = {"promoted": promoted, "model_version": "7", "checks": checks}
    dag = parsed(PROMOTE)
    task = dag.get_task("promote")
    (message,) = task.on_success_callback
    told = context(dag, task, {"triggering_user_name": "ada"})
    told["ti"] = SimpleNamespace(xcom_pull=lambda task_ids: result)
    message.render_template_fields(told)
    assert message.subject == f"{'Promoted' if promoted else 'Rejected'}: version 7"
    first, second, *_ = message.text.splitlines()
    assert first == f"{'met' if promoted else 'NOT MET'}: AUC 0.71" and second == "met: F1 0.4"
    assert "Triggered by: ada\n" in message.text


def test_a_promotion_that_no_person_wanted_is_told_with_its_kind() -> None:
    dag = parsed(PROMOTE)
    task = dag.get_task("promote")
    (message,) = task.on_success_callback
    told = context(dag, task, {"run_type": "manual"})
    told["ti"] = SimpleNamespace(
        xcom_pull=lambda task_ids: {"promoted": True, "model_version": "7", "checks": []}
    )
    message.render_template_fields(told)
    assert "Triggered by: manual\n" in message.text


@pytest.mark.parametrize(
    ("registered", "promotable", "task_id"),
    [
        (True, True, "promote"),
        (True, False, "skip_promotion"),
        (False, True, "skip_promotion"),
        (False, None, "skip_promotion"),
    ],
)
def test_only_a_new_version_that_passed_is_promoted(
    registered: bool, promotable: bool | None, task_id: str
) -> None:
    decide = parsed(TRAIN).get_task("decide").python_callable
    assert decide({"registered": registered, "promotable": promotable}) == task_id


@pytest.mark.parametrize("alert", [True, False])
@pytest.mark.parametrize("retrain", [True, False])
def test_monitoring_does_what_was_decided(alert: bool, retrain: bool) -> None:
    decide = parsed(MONITOR).get_task("decide").python_callable
    wanted = [name for name, on in (("alert", alert), ("retrain", retrain)) if on]
    assert decide({"alert": alert, "retrain": retrain}) == wanted
