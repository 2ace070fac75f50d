import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from loan_default.errors import InputError
from loan_default.settings import Settings, alias_list, settings
from workspace import ROOT


def test_the_environment_comes_before_the_env_file_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = "MODEL_NAME=from_file", "CV_FOLDS=7", "SOMETHING_ELSE=1"
    (tmp_path / ".env").write_text("\n".join(lines))
    monkeypatch.setenv("MODEL_NAME", "from_environment")
    found = settings()
    assert (found.model_name, found.cv_folds, found.model_alias) == (
        "from_environment",
        7,
        "staging",
    )


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMOTION_AUC_THRESHOLD", "")
    assert settings().promotion_auc_threshold == 0.75


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROMOTION_AUC_THRESHOLD", "high"),
        ("PROMOTION_AUC_THRESHOLD", "1.01"),
        ("MAX_REJECTED_SHARE", "-0.1"),
        ("CV_FOLDS", "1"),
        ("TEST_SHARE", "0"),
        ("THRESHOLD_STRATEGY", "accuracy"),
        ("THRESHOLD_STRATEGY", "0"),
        ("THRESHOLD_STRATEGY", "1"),
        ("THRESHOLD_STRATEGY", "nan"),
        ("COST_RATIO", "0"),
        ("COST_RATIO", "inf"),
        ("COST_RATIO", "much"),
        ("DECLINE_SHARE", "1"),
        ("GCS_BUCKET", "gs://loans"),
        ("GCS_BUCKET", "loans/folder"),
        ("GCS_BUCKET", "Loans"),
        ("GCS_BUCKET", "lo"),
        ("DRIFT_COLUMN_THRESHOLDS", "{annual_inc"),
        ("BATCH_ALIAS", "[production"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=re.escape(f"bad setting: {name}='{value}': ")):
        settings()


@pytest.mark.parametrize("value", ["auto", "cost", "profit", "f1", "rate", "0.25", "1e-3"])
def test_a_threshold_is_a_strategy_or_a_number(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("THRESHOLD_STRATEGY", value)
    wanted = value if value.isalnum() else float(value)
    assert settings().threshold_strategy == wanted


def test_a_cost_ratio_is_a_number_or_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().cost_ratio == "auto"
    settings.cache_clear()
    monkeypatch.setenv("COST_RATIO", "5")
    assert settings().cost_ratio == 5.0


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("annual_inc", "[annual_inc]='': Input should be a valid number"),
        ("annual_inc=0", "[annual_inc]='0': Input should be greater than 0"),
        ("dti=0.1,annual_inc=nan", "[annual_inc]='nan': Input should be a finite number"),
        ("annual_inc=inf", "[annual_inc]='inf': Input should be a finite number"),
        ("dti:gone=0.2", "[dti:gone]='dti:gone': not a monitored column, nor COLUMN:missing"),
        ('{"dti": -1}', "[dti]=-1: Input should be greater than 0"),
    ],
)
def test_a_bad_threshold_is_named_with_its_column(
    monkeypatch: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    monkeypatch.setenv("DRIFT_COLUMN_THRESHOLDS", value)
    with pytest.raises(InputError) as error:
        settings()
    assert str(error.value).startswith(f"bad setting: DRIFT_COLUMN_THRESHOLDS{problem}")
    assert "\n" not in str(error.value)


def test_a_bucket_takes_what_is_written_and_no_path_is_given_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = settings()
    settings.cache_clear()
    monkeypatch.setenv("GCS_BUCKET", "loans-1")
    monkeypatch.setenv("OUTPUT_PATH", "here")
    monkeypatch.setenv("PREPARED_DATA_PATH", "")
    remote = settings()
    changed = {name: value for name, value in remote if value != getattr(local, name)}
    assert changed == {
        "gcs_bucket": "loans-1",
        "output_path": "here",
        "prepared_data_path": "gs://loans-1/prepared/loans.parquet",
        "mlflow_artifact_root": "gs://loans-1/mlflow",
    }
    monkeypatch.delenv("OUTPUT_PATH")
    assert Settings().output_path == "gs://loans-1"


def test_what_is_wrong_with_a_buckets_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCS_BUCKET", "gs://loans")
    with pytest.raises(InputError, match="write the bucket's name alone, without gs://"):
        settings()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().model_name = "other"  # type: ignore[misc]


def test_no_thread_count_means_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert Settings().threads == 6
    assert Settings(n_threads=3).threads == 3


def example() -> list[tuple[str, str, str]]:
    """Meaning, name and default of every setting in the example file."""
    text = (ROOT / ".env.example").read_text()
    return re.findall(r"# (.+)\n# ([A-Z0-9_]+)=(.*)\n", text)


def written(default: object) -> str:
    """A default as a line of `.env` holds it."""
    return ",".join(default) if isinstance(default, (tuple, dict)) else str(default)


def test_the_example_file_names_every_setting_with_its_meaning_and_default() -> None:
    fields = Settings.model_fields.items()
    expected = [(f.description, name.upper(), written(f.default)) for name, f in fields]
    assert example()[: len(expected)] == expected


def test_the_example_file_names_what_the_stack_and_airflow_read_themselves() -> None:
    compose = (ROOT / "docker-compose.yaml").read_text()
    read = set(re.findall(r"\$\{([A-Z0-9_]+)", compose))
    read |= {name for name in re.findall(r"^ +([A-Z0-9_]+):$", compose, re.MULTILINE)}
    named = [name for _, name, _ in example()]
    assert len(named) == len(set(named))
    own = {name.upper() for name in Settings.model_fields}
    assert set(named) - own == read - own


def test_the_stack_passes_every_setting_on() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    given = {
        name
        for service in ("airflow-scheduler", "serve")
        for name in compose["services"][service]["environment"]
    }
    in_the_image = {"MLFLOW_ARTIFACT_ROOT", "SERVE_HOST", "SERVE_PORT"}
    assert {name.upper() for name in Settings.model_fields} - given == in_the_image


def test_alias_list_drops_blanks() -> None:
    assert alias_list(" production, ,staging,") == ("production", "staging")


@pytest.mark.parametrize(
    ("text", "aliases"),
    [
        ("a", ("a",)),
        (" a, ,b,", ("a", "b")),
        ('["a", "b"]', ("a", "b")),
        ("", ("production", "staging")),
    ],
)
def test_aliases_may_be_a_list_or_json(
    monkeypatch: pytest.MonkeyPatch, text: str, aliases: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BATCH_ALIAS", text)
    assert settings().batch_alias == aliases


@pytest.mark.parametrize(
    "text",
    [
        "annual_inc=0.2, dti:missing = 0.3,default_probability=1,",
        '{"annual_inc": 0.2, "dti:missing": 0.3, "default_probability": 1}',
    ],
)
def test_columns_may_have_thresholds_of_their_own(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert settings().drift_column_thresholds == {}
    settings.cache_clear()
    monkeypatch.setenv("DRIFT_COLUMN_THRESHOLDS", text)
    assert settings().drift_column_thresholds == {
        "annual_inc": 0.2,
        "dti:missing": 0.3,
        "default_probability": 1.0,
    }
