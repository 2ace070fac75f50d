"""The house rules, over every file of airflow/dags."""

import copy
import importlib
import json
import os
import re
import runpy
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.api.datamodels._generated import DagRun
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction
from dag_parts import at, conf, value
from notifications import Message, NotifyOperator
from script_operator import ScriptOperator
from trigger_once import TriggerOnceOperator

from conftest import ROOT
from loan_default.settings import Settings

TRAIN, PROMOTE = "train_model_with_mlflow", "promote_model_dag"
BATCH, MONITOR = "batch_prediction_dag", "monitoring_dag"
SCHEDULES = {TRAIN: "0 2 * * 0", PROMOTE: None, BATCH: "0 6 * * *", MONITOR: None}
FILES = sorted((ROOT / "airflow" / "dags").glob("*.py"))
SETTINGS = {name.upper() for name in Settings.model_fields}
# What no DAG file may wait for; Airflow itself imports none of them.
HEAVY = {
    *("aiosmtplib", "evidently", "google.cloud", "loan_default", "matplotlib", "mlflow", "numpy"),
    *("pandas", "polars", "pyarrow", "scipy", "slack_sdk", "sklearn", "xgboost"),
}
PARSE = f"""\
import runpy, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "sqlite3.connect"):
        raise SystemExit(f"reads at parse time: {{event}} {{arguments}}")

sys.addaudithook(refuse)
dag = runpy.run_path(sys.argv[1])["dag"]
print(dag.dag_id, *sorted({HEAVY} & set(sys.modules)))
"""
# What the scripts print, as far as the DAGs read it.
RESULTS: dict[str, dict[str, Any]] = {
    "prepare_data": {"output_path": "/data/clean.parquet"},
    "train": {
        "model_name": "a 'model' & more",
        "model_version": "7",
        "registered": True,
        "promotable": True,
        "reasons": ["AUC is low"],
    },
    "predict": {"run_date": "2026-05-10"},
    "monitor": {
        "run_date": "2026-05-10",
        "model_name": "loans",
        "alert_subject": "Drift on 2026-05-10 (warning)",
        "alert_text": "4 of 9 columns drifted\nNext: retraining triggered",
        "because": "drift",
        "alert": True,
        "retrain": True,
    },
}
NEEDED: dict[str, dict[str, Any]] = {PROMOTE: {"version": "7"}}


def parsed(dag_id: str) -> DAG:
    dag = runpy.run_path(str(ROOT / "airflow" / "dags" / f"{dag_id}.py"))["dag"]
    assert isinstance(dag, DAG)
    return dag


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def dag(request: pytest.FixtureRequest) -> DAG:
    """Each DAG in its turn, parsed anew."""
    return parsed(request.param.stem)


def tasks(dag: DAG, kind: type[BaseOperator]) -> list[Any]:
    return [task for task in dag.tasks if isinstance(task, kind)]


def context(dag: DAG, task: BaseOperator, run: dict[str, Any], **params: Any) -> dict[str, Any]:
    """What a task's templates see; `run` changes the DAG run, `params` its conf."""
    given = NEEDED.get(dag.dag_id, {}) | params
    dag_run = DagRun(
        **{
            **dict.fromkeys(DagRun.model_fields),
            "dag_id": dag.dag_id,
            "run_id": "scheduled__2026-05-09T06:00:00+00:00",
            "logical_date": datetime(2026, 5, 9, 6, tzinfo=UTC),
            "run_after": datetime(2026, 5, 11, 6, tzinfo=UTC),
            "run_type": "scheduled",
            "state": "running",
            "consumed_asset_events": [],
            "conf": given,
            **run,
        }
    )
    return {
        "dag": dag,
        "dag_run": dag_run,
        "run_id": dag_run.run_id,
        "params": process_params(dag, task, given, suppress_exception=False),
        "ti": SimpleNamespace(xcom_pull=lambda task_ids: RESULTS[task_ids]),
    }


def rendered(dag: DAG, task_id: str, run: dict[str, Any] | None = None, **params: Any) -> Any:
    """The task with its templates filled in as Airflow does it."""
    task = dag.get_task(task_id)
    task.render_template_fields(context(dag, task, run or {}, **params))
    return task


def templates(dag: DAG) -> str:
    """Every template of a DAG's tasks and messages."""
    texts = []
    for task in dag.tasks:
        holders = [task, *task.on_failure_callback, *task.on_success_callback]
        for holder in holders:
            texts += [str(getattr(holder, name)) for name in holder.template_fields]
    return "\n".join(texts)


def resolve(dag: DAG, name: str, given: Any) -> Any:
    return copy.copy(dag.params.get_param(name)).resolve(given)


def test_there_are_the_four_dags_each_in_a_file_of_its_name() -> None:
    assert {path.stem for path in FILES} == set(SCHEDULES)
    for path in FILES:
        assert parsed(path.stem).dag_id == path.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_parsing_needs_nothing_and_imports_nothing_heavy(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", PARSE, str(path)],
        env={
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://no:no@127.0.0.1:1/no",
            "PYTHONPATH": str(ROOT / "airflow" / "plugins"),
        },
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == path.stem


def test_a_dag_runs_when_it_should_and_one_run_at_a_time(dag: DAG) -> None:
    assert getattr(dag.schedule, "expression", dag.schedule) == SCHEDULES[dag.dag_id]
    assert str(dag.timezone) == "UTC"
    assert dag.catchup is False
    assert dag.max_active_runs == 1


def test_a_time_that_has_just_passed_is_not_made_up_for() -> None:
    past = datetime.now(UTC) - timedelta(minutes=2)
    schedule = decode_timetable(encode_timetable(at(f"{past.minute} {past.hour} * * *")))
    first = schedule.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert first is not None and first.run_after > datetime.now(UTC)


def test_a_dag_can_be_found_and_says_what_to_do_when_it_fails(dag: DAG) -> None:
    assert "loan-default" in dag.tags and len(dag.tags) == 2
    first, *_ = (dag.doc_md or "").strip().splitlines()
    assert first.endswith(".")
    steps = (dag.doc_md or "").partition("### When it fails\n")[2].strip()
    assert steps.startswith("- ") and len(steps) > 100


def test_airflow_can_store_it(dag: DAG) -> None:
    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    assert stored["dag"]["dag_id"] == dag.dag_id


def test_every_task_has_an_owner_retries_a_time_limit_and_tells_of_its_failure(dag: DAG) -> None:
    assert dag.tasks
    for task in dag.tasks:
        assert task.owner == "ml-platform"
        assert task.retries and task.retries >= 1
        assert task.retry_exponential_backoff
        assert task.retry_delay < task.max_retry_delay <= timedelta(hours=1)
        assert task.execution_timeout and task.execution_timeout <= timedelta(hours=6)
        assert [type(told) for told in task.on_failure_callback] == [Message]


def test_every_flag_and_switch_is_one_of_the_scripts_own(dag: DAG) -> None:
    for task in tasks(dag, ScriptOperator):
        parser = importlib.import_module(task.script).build_parser()
        takes_value = {
            flag: action.nargs != 0 for action in parser._actions for flag in action.option_strings
        }
        assert {flag: takes_value.get(flag) for flag in task.flags} == dict.fromkeys(
            task.flags, True
        )
        assert {flag: takes_value.get(flag) for flag in task.switches} == dict.fromkeys(
            task.switches, False
        )
        assert set(task.settings) <= SETTINGS


def test_every_param_in_a_template_is_declared_and_every_declared_one_is_used(dag: DAG) -> None:
    assert set(re.findall(r"\bparams\.(\w+)", templates(dag))) == set(dag.params)


def test_every_result_in_a_template_is_that_of_a_task_before(dag: DAG) -> None:
    for task in dag.tasks:
        told = "\n".join(str(getattr(task, name)) for name in task.template_fields)
        pulled = set(re.findall(r"xcom_pull\(task_ids='(\w+)'\)", told))
        before = {above.task_id for above in task.get_flat_relatives(upstream=True)}
        assert pulled <= before


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


def test_after_a_training_the_day_is_scored_anew() -> None:
    passed = json.loads(rendered(parsed(TRAIN), "rescore", {"logical_date": None}).conf)
    assert passed["run_date"] == "2026-05-11" and passed["rescore"] is True


def test_with_an_empty_form_a_script_gets_only_what_names_the_run(dag: DAG) -> None:
    always = {
        "batch_predict": {"--run-date", "--reasons"},
        "monitor_predictions": {"--idempotency-key"},
        "prepare_data": set(),
        "promote_model": {"--version", "--triggered-by", "--trigger-source"},
        "train_with_mlflow": {"--data-path", "--idempotency-key"},
    }
    for task in tasks(dag, ScriptOperator):
        filled = rendered(dag, task.task_id)
        words = filled.command()[2:]
        assert {word.partition("=")[0] for word in words} == always[task.script]
        assert set(filled.settings.values()) <= {""}


def test_nought_is_a_value() -> None:
    filled = rendered(parsed(TRAIN), "train", auc_threshold=0.0, f1_threshold=0)
    assert filled.settings == {
        "PROMOTION_AUC_THRESHOLD": "0.0",
        "PROMOTION_F1_THRESHOLD": "0",
        "PROMOTION_CALIBRATION_TOLERANCE": "",
    }


@pytest.mark.parametrize(
    ("dag_id", "task_id", "param", "flag"),
    [
        (BATCH, "predict", "rescore", "--rescore"),
        (MONITOR, "monitor", "report_only", "--report-only"),
    ],
)
def test_a_switch_is_passed_when_it_is_on(dag_id: str, task_id: str, param: str, flag: str) -> None:
    assert flag in rendered(parsed(dag_id), task_id, **{param: True}).command()
    assert flag not in rendered(parsed(dag_id), task_id, **{param: False}).command()


def test_monitoring_judges_by_the_outcomes_that_the_form_names() -> None:
    filled = rendered(parsed(MONITOR), "monitor", labels="gs://b/l.csv", labels_as_of="2026-03")
    assert filled.flags["--labels"] == "gs://b/l.csv"
    assert filled.flags["--labels-as-of"] == "2026-03"


def test_monitoring_looks_at_the_source_that_the_form_names() -> None:
    filled = rendered(parsed(MONITOR), "monitor", source="online")
    assert filled.flags["--source"] == "online"


def test_every_value_of_the_form_reaches_a_script(dag: DAG) -> None:
    """Texts as they are, each in its own flag or setting."""
    texts = {
        name: f"given {name}"
        for name in dag.params
        if dag.params.get_param(name).schema.keys() == {"type"}
        and "string" in dag.params.get_param(name).schema["type"]
    }
    got: list[str] = []
    for task in tasks(dag, ScriptOperator):
        filled = rendered(dag, task.task_id, **texts)
        got += [*filled.flags.values(), *filled.settings.values()]
    for task in tasks(dag, TriggerOnceOperator):
        got += [
            str(text) for text in json.loads(rendered(dag, task.task_id, **texts).conf).values()
        ]
    for text in texts.values():
        assert any(text in words for words in got), text


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
    assert message.subject == f"{'Promoted' if promoted else 'Refused'}: version 7"
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


def test_null_means_as_in_the_settings(dag: DAG) -> None:
    for name in dag.params:
        described = str(dag.params.get_param(name).description)
        if "null" in described:
            assert resolve(dag, name, None) is None
            assert dag.params.get_param(name).value is None
        named = re.findall(r"\(null: (?:by )?([A-Z][A-Z_0-9]+)\)", described)
        assert set(named) <= SETTINGS


def test_every_param_says_what_it_is(dag: DAG) -> None:
    assert all(dag.params.get_param(name).description for name in dag.params)


THRESHOLDS = {
    TRAIN: ["auc_threshold", "f1_threshold", "calibration_tolerance"],
    PROMOTE: ["auc_threshold", "f1_threshold", "calibration_tolerance"],
    MONITOR: ["drift_share_threshold"],
}
REFUSED = [
    *(
        (dag_id, "run_date", bad)
        for dag_id in (BATCH, MONITOR)
        for bad in ("2026-13-01", "2026-02-30", "20260501", "yesterday", "", 20260501)
    ),
    (MONITOR, "source", "stream"),
    *(
        (dag_id, name, bad)
        for dag_id, names in THRESHOLDS.items()
        for name in names
        for bad in (1.5, -0.1, "0.5", True, "")
    ),
    *(
        (TRAIN, name, bad)
        for name in ("as_of", "test_from")
        for bad in ("2018-13", "2018-00", "2018", "2018-1", "2018-03-01", "")
    ),
    *((PROMOTE, "version", bad) for bad in ("0", "latest", "1.0", "-1", "", None, 7)),
    *((BATCH, "reasons", bad) for bad in ("some", "", None)),
    *((BATCH, "rescore", bad) for bad in ("true", None, 1)),
    (MONITOR, "report_only", "true"),
    (TRAIN, "model_name", 7),
]
TAKEN = [
    *((dag_id, "run_date", "2028-02-29") for dag_id in (BATCH, MONITOR)),
    *(
        (dag_id, name, good)
        for dag_id, names in THRESHOLDS.items()
        for name in names
        for good in (0.001, 0.5, 1, None)
    ),
    (TRAIN, "as_of", "2018-12"),
    (PROMOTE, "version", "12"),
    *((BATCH, "reasons", good) for good in ("declined", "all", "none")),
]


@pytest.mark.parametrize(("dag_id", "name", "bad"), REFUSED)
def test_the_form_refuses(dag_id: str, name: str, bad: Any) -> None:
    with pytest.raises(ParamValidationError):
        resolve(parsed(dag_id), name, bad)


@pytest.mark.parametrize(("dag_id", "name", "good"), TAKEN)
def test_the_form_takes(dag_id: str, name: str, good: Any) -> None:
    assert resolve(parsed(dag_id), name, good) == good


@pytest.mark.parametrize("number", [0, 0.0, 1])
def test_what_the_form_takes_the_settings_take(
    dag: DAG, number: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = THRESHOLDS.get(dag.dag_id, [])
    if dag.dag_id == MONITOR and number == 0:
        with pytest.raises(ParamValidationError):
            resolve(dag, *names, number)
        return
    given = {name: resolve(dag, name, number) for name in names}
    for task in tasks(dag, ScriptOperator):
        for name, text in rendered(dag, task.task_id, **given).settings.items():
            assert text == str(number)
            monkeypatch.setenv(name, text)
    Settings(_env_file=None)


@pytest.mark.parametrize(
    ("given", "text"), [(None, ""), (0.0, "0.0"), (0, "0"), (False, "False"), ("", ""), ("x", "x")]
)
def test_a_value_is_empty_where_it_is_null(given: Any, text: str) -> None:
    environment = parsed(BATCH).get_template_env()
    assert environment.from_string(value("given")).render(given=given) == text


def test_a_conf_keeps_the_types_of_its_values() -> None:
    given = {"a": None, "b": 0.0, "c": True, "d": 'it\'s "<&>" {{ x }}\n', "e": ["x"]}
    template = conf(**{name: f"given['{name}']" for name in given})
    text = parsed(BATCH).get_template_env().from_string(template).render(given=given)
    assert json.loads(text) == given
