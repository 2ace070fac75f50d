"""The house rules, over every file of airflow/dags."""

import importlib
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from dag_parts import at
from notifications import Message
from parsed_dags import FILES, SCHEDULES, SETTINGS, parsed, tasks, templates
from script_operator import ScriptOperator
from workspace import ROOT

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
for path in sys.argv[1:]:
    dag = runpy.run_path(path)["dag"]
    print(dag.dag_id, *sorted({HEAVY} & set(sys.modules)))
"""


def test_there_are_the_four_dags_each_in_a_file_of_its_name() -> None:
    assert {path.stem for path in FILES} == set(SCHEDULES)
    for path in FILES:
        assert parsed(path.stem).dag_id == path.stem


def test_parsing_needs_nothing_and_imports_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", PARSE, *map(str, FILES)],
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
    assert done.stdout.splitlines()[-len(FILES) :] == [path.stem for path in FILES]


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
