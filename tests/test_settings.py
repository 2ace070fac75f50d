import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from conftest import ROOT
from loan_default.errors import InputError
from loan_default.settings import Settings, alias_list, settings


def test_the_environment_comes_before_the_env_file_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MODEL_NAME=from_file\nCV_FOLDS=7\nSOMETHING_ELSE=1\n")
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
    ],
)
def test_a_bad_setting_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"{name}='{value}'"):
        settings()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().model_name = "other"  # type: ignore[misc]


def test_no_thread_count_means_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert Settings().threads == 6
    assert Settings(n_threads=3).threads == 3


def test_the_example_file_names_every_setting_with_its_meaning_and_default() -> None:
    text = (ROOT / ".env.example").read_text()
    found = re.findall(r"# (.+)\n# ([A-Z0-9_]+)=(.*)\n", text)
    fields = Settings.model_fields.items()
    assert found == [(f.description, name.upper(), str(f.default)) for name, f in fields]


def test_alias_list_drops_blanks() -> None:
    assert alias_list(" production, ,staging,") == ("production", "staging")
