"""What the form of a DAG takes, and what becomes of it."""

import json
import re
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError

from dag_parts import conf, value
from loan_default.settings import Settings
from parsed_dags import BATCH, MONITOR, PROMOTE, SETTINGS, TRAIN, parsed, rendered, resolve, tasks
from script_operator import ScriptOperator
from trigger_once import TriggerOnceOperator


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
