"""The gate and the aliases, against a real MLflow store with three versions in it."""

import json
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default import columns, storage
from loan_default.errors import InputError
from loan_default.metrics import intervals
from loan_default.model import artifact
from loan_default.promotion import aliases, gate, rules
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.tracking import Tracking
from loan_default.registry.versions import FINGERPRINT, ModelVersion, Registry
from loan_default.settings import Settings
from loan_default.training import cohorts, train
from records import typed_loans
from workspace import ROOT

pytestmark = pytest.mark.slow

NAME = "loan_default_model"
LOANS = typed_loans(4000)


def config(folder: Path, **more: object) -> Settings:
    return Settings(
        mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db",
        mlflow_artifact_root=str(folder / "mlruns"),
        promotion_auc_threshold=0.6,
        promotion_calibration_tolerance=0.5,
        cv_folds=3,
        n_threads=1,
        xgb_max_rounds=30,
        xgb_learning_rate=0.2,
        **more,
    )


def learn(loans: pl.DataFrame, folder: Path, as_of: date = date(2019, 1, 1)) -> train.Trained:
    return train.train(cohorts.split(loans, as_of, 0.25), CONTRACT, config(folder))


def register(store: Registry, trained: train.Trained, folder: Path) -> ModelVersion:
    with Tracking(store.connection).run("train", {"kind": "test"}) as run:
        trained.save(folder)
        run.log({}, trained.metrics, folder)
        example = trained.self_check.head(1).drop(columns.PROBABILITY)
        return run.register(folder, NAME, {FINGERPRINT: folder.name}, example, CONTRACT)


@pytest.fixture(scope="module")
def three_versions(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """Versions 1 and 2 are trained on the same loans, version 3 on loans whose outcomes are
    noise."""
    folder = tmp_path_factory.mktemp("three")
    shutil.copy(empty_store, folder / "mlflow.db")
    store = Registry(MlflowConnection(config(folder)))
    good = learn(LOANS, folder)
    noise = LOANS.with_columns(default=LOANS["default"].shuffle(seed=3))
    # Evaluated on the true outcomes, as the next months' loans would show it.
    bad = replace(learn(noise, folder), split=good.split)
    for number, trained in enumerate((good, good, bad), start=1):
        register(store, trained, folder / f"v{number}")
    return folder


@pytest.fixture
def folder(three_versions: Path, tmp_path: Path) -> Path:
    """The artifacts are shared, the database is the test's own."""
    shutil.copy(three_versions / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Registry:
    return Registry(MlflowConnection(config(folder)))


def request(folder: Path, **more: object) -> aliases.PromotionRequest:
    facts = {"reason": "", "forced": False} | more
    return aliases.PromotionRequest(
        "staging", "production", "alice", "test", str(folder / "out"), **facts
    )


def promote(store: Registry, folder: Path, number: str, **more: object) -> str:
    version = store.version(NAME, number)
    decision = aliases.reject_if_rolled_back(
        gate.evaluate(store, version, "production", config(folder)), version
    )
    return aliases.promote(store, version, decision, request(folder, **more))


def alias(store: Registry, name: str) -> str | None:
    version = store.find_by_alias(NAME, name)
    return version.version if version else None


def test_the_first_model_has_no_champion_to_beat(store: Registry, folder: Path) -> None:
    decision = gate.evaluate(store, store.version(NAME, "1"), "production", config(folder))
    assert decision.promotable
    assert decision.checks[-1].reason == "no production model to compare with"


def test_a_challenger_that_is_clearly_worse_is_refused(store: Registry, folder: Path) -> None:
    promote(store, folder, "1")
    lenient = config(folder).model_copy(update={"promotion_auc_threshold": 0.0})
    decision = gate.evaluate(store, store.version(NAME, "3"), "production", lenient)
    assert not decision.promotable
    assert any("lower than version 1's" in reason for reason in decision.reasons)


def test_probabilities_that_are_clearly_too_low_are_refused(
    store: Registry, folder: Path, tmp_path: Path
) -> None:
    good = learn(LOANS, folder)
    facts = good.evaluated.facts
    calibration = replace(facts.calibration, intercept=facts.calibration.intercept - 0.6)
    evaluated = replace(good.evaluated, facts=replace(facts, calibration=calibration))
    low = register(store, replace(good, evaluated=evaluated), tmp_path / "low")
    decision = gate.evaluate(store, low, "production", config(folder))
    [reason] = decision.reasons
    assert "predicted over observed defaults of" in reason and "off by more than 0.1" in reason


def test_the_ratios_are_those_of_all_loans_and_of_groups_that_are_large_enough() -> None:
    test = pl.DataFrame(
        {
            "default": [0, 0, 0, 1] * 100,
            "term": [36.0] * 300 + [60.0] * 100,
            "grade": ["A"] * 200 + ["B"] * 160 + ["C"] * 40,
            "sub_grade": ["A1"] * 400,  # has too many levels to be a group
        }
    )
    probability = np.linspace(0.1, 0.4, 400)
    found = gate.calibration_ratios(test, probability, CONTRACT)
    bands = [f"score band {number} of 5" for number in range(1, 6)]
    assert list(found) == ["all test loans", "term 36", "term 60", "grade A", "grade B", *bands]
    assert found["all test loans"].value == pytest.approx(1.0)
    assert found["term 60"].value == pytest.approx(probability[300:].mean() / 0.25)
    assert found["score band 1 of 5"].value == pytest.approx(probability[:80].mean() / 0.25)
    rows, level = slice(300, None), 1 - 0.05 / 9
    default = test["default"].to_numpy()
    assert found["term 60"] == intervals.predicted_over_observed(
        default[rows], probability[rows], level
    )
    assert found["all test loans"] == intervals.predicted_over_observed(default, probability)


def test_a_challenger_that_is_as_good_passes(store: Registry, folder: Path) -> None:
    promote(store, folder, "1")
    decision = gate.evaluate(store, store.version(NAME, "2"), "production", config(folder))
    assert decision.promotable and decision.checks[-1].value == 0.0


def test_the_production_model_is_not_compared_with_itself(store: Registry, folder: Path) -> None:
    promote(store, folder, "1")
    decision = gate.evaluate(store, store.version(NAME, "1"), "production", config(folder))
    assert decision.checks[-1].reason == "version 1 is the production model itself"


def test_without_months_that_both_have_not_seen_the_comparison_fails(
    store: Registry, folder: Path, tmp_path: Path
) -> None:
    newer = learn(typed_loans(3000, seed=4, months=60), folder, date(2021, 1, 1))
    register(store, newer, tmp_path / "newer")
    promote(store, folder, "4")
    decision = gate.evaluate(store, store.version(NAME, "1"), "production", config(folder))
    assert not decision.promotable
    assert "not compared with version 4: the test months hold no loans" in decision.reasons[0]


def test_a_promotion_moves_the_aliases_and_leaves_a_trail(store: Registry, folder: Path) -> None:
    promote(store, folder, "1")
    event_path = promote(store, folder, "2")
    assert (alias(store, "production"), alias(store, "previous_production")) == ("2", "1")
    event = json.loads(Path(event_path).read_text())
    assert event["event"] == "promotion" and event["triggered_by"] == "alice"
    assert (event["model_version"], event["replaced_version"]) == ("2", "1")
    assert {check["name"] for check in event["checks"]} >= {"AUC", "F1", "calibration_error"}
    version = store.version(NAME, "2")
    run_tags = store.connection.client.get_run(version.run_id).data.tags
    for tags in (version.tags, run_tags):
        assert tags["promoted_from"] == "staging" and tags["promoted_to"] == "production"
        assert (tags["triggered_by"], tags["trigger_source"]) == ("alice", "test")
        assert json.loads(tags["check_AUC"])["value"] == pytest.approx(
            store.metrics(version)["AUC"]
        )
    assert len(list((folder / "out" / "promotions").iterdir())) == 2


def test_promoting_the_production_model_again_changes_nothing(
    store: Registry, folder: Path
) -> None:
    promote(store, folder, "1")
    first = promote(store, folder, "2")
    assert promote(store, folder, "2") == first
    assert (alias(store, "production"), alias(store, "previous_production")) == ("2", "1")
    assert len(list((folder / "out" / "promotions").iterdir())) == 2


@pytest.mark.parametrize("step", ["set_tags", "set_alias", "second set_alias", "event"])
def test_a_promotion_that_was_cut_off_is_completed_by_the_next(
    store: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    promote(store, folder, "1")
    calls = 0
    set_alias = Registry.set_alias

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    def second(self: Registry, version: ModelVersion, name: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        set_alias(self, version, name)

    with monkeypatch.context() as patch:
        if step == "event":
            patch.setattr(storage, "write_text", cut_off)
        else:
            patch.setattr(Registry, step.split()[-1], second if " " in step else cut_off)
        with pytest.raises(KeyboardInterrupt):
            promote(store, folder, "2")
    event = promote(store, folder, "2")
    assert (alias(store, "production"), alias(store, "previous_production")) == ("2", "1")
    assert json.loads(Path(event).read_text())["replaced_version"] == "1"
    assert len(list((folder / "out" / "promotions").iterdir())) == 2


def test_a_rollback_goes_back_one_and_is_audited(store: Registry, folder: Path) -> None:
    promote(store, folder, "1")
    promote(store, folder, "2")
    restored, event_path = aliases.roll_back(store, NAME, request(folder, reason="complaints"))
    assert restored.version == alias(store, "production") == "1"
    assert alias(store, "previous_production") is None
    event = json.loads(Path(event_path).read_text())
    assert (event["event"], event["rolled_back_version"]) == ("rollback", "2")
    assert event["reason"] == "complaints"
    tags = store.version(NAME, "2").tags
    assert tags["rolled_back_by"] == "alice" and tags["rolled_back_reason"] == "complaints"
    with pytest.raises(InputError, match="replaced no other"):
        aliases.roll_back(store, NAME, request(folder))


def test_a_rollback_that_was_cut_off_goes_back_one_when_repeated(
    store: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in "123":
        promote(store, folder, number, forced=True)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_text", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        set_alias, calls = Registry.set_alias, []

        def only_the_first(self: Registry, version: ModelVersion, name: str) -> None:
            calls.append(name)
            if len(calls) == 2:
                raise KeyboardInterrupt
            set_alias(self, version, name)

        patch.setattr(Registry, "set_alias", only_the_first)
        with pytest.raises(KeyboardInterrupt):
            aliases.roll_back(store, NAME, request(folder))
    assert (alias(store, "production"), alias(store, "previous_production")) == ("3", "1")
    aliases.roll_back(store, NAME, request(folder))
    assert (alias(store, "production"), alias(store, "previous_production")) == ("2", "1")


def test_a_rolled_back_version_goes_up_again_only_by_force(store: Registry, folder: Path) -> None:
    promote(store, folder, "1")
    promote(store, folder, "2")
    aliases.roll_back(store, NAME, request(folder))
    version = store.version(NAME, "2")
    passed = rules.GateDecision(True, (), [])
    refused = aliases.reject_if_rolled_back(passed, version)
    assert not refused.promotable and "only with --force" in refused.reasons[0]
    promote(store, folder, "2", forced=True, reason="it was not the model")
    tags = store.version(NAME, "2").tags
    assert (tags["forced"], tags["reason"]) == ("true", "it was not the model")
    assert aliases.reject_if_rolled_back(passed, store.version(NAME, "2")).promotable


def test_any_mlflow_client_can_load_and_score_a_version(
    store: Registry, folder: Path, tmp_path: Path
) -> None:
    """In a process that cannot import this repository: the version brings its code."""
    row = LOANS.head(3).drop("id", "issue_month", "truth", "default").to_pandas()
    row.to_json(tmp_path / "rows.json")
    code = (
        f"import sys; sys.path.append({sysconfig.get_path('purelib')!r})\n"
        "import json, mlflow, pandas\n"
        f"mlflow.set_tracking_uri({store.connection.uri!r})\n"
        f"model = mlflow.pyfunc.load_model('models:/{NAME}/1')\n"
        "rows = pandas.read_json('rows.json', dtype=False)\n"
        "full = model.predict(rows, params={'return': 'full'})\n"
        "import loan_default\n"
        "print(json.dumps([model.predict(rows).tolist(), full['default_probability'].tolist(),\n"
        "    loan_default.__file__]))"
    )
    # Without site, the .pth file of the editable installation is not read
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    decisions, probabilities, origin = json.loads(done.stdout.splitlines()[-1])
    served = artifact.load(store.download(store.version(NAME, "1"), tmp_path / "down"), threads=1)
    assert probabilities == pytest.approx(list(served.probability(LOANS.head(3))), abs=1e-6)
    assert decisions == [int(p >= served.facts.threshold) for p in probabilities]
    assert not Path(origin).is_relative_to(ROOT)


def test_a_version_carries_the_whole_package(store: Registry, tmp_path: Path) -> None:
    store.download(store.version(NAME, "1"), tmp_path)
    [carried] = tmp_path.rglob("code/loan_default")
    source = ROOT / "src" / "loan_default"
    assert files(carried) == files(source)


def files(folder: Path) -> set[Path]:
    """The files below a folder, but for what Python compiles."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path for path in found if "__pycache__" not in path.parts}


def test_a_version_is_found_by_its_tag(store: Registry) -> None:
    version = store.find_by_tag(NAME, FINGERPRINT, "v2")
    assert version and version.version == "2"
    assert store.find_by_tag(NAME, FINGERPRINT, "v9") is None


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda store: store.version(NAME, "9"), "no version 9 of the model"),
        (lambda store: store.version("other", "1"), "no version 1 of the model other"),
        (lambda store: store.by_alias(NAME, "champion"), "with the alias champion"),
        (lambda store: store.by_alias("other", "staging"), "no model other"),
    ],
)
def test_what_is_not_there_is_named(store: Registry, ask: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ask(store)


def test_the_files_of_a_version_come_down_and_verify(
    store: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where MLflow's own default address names no store, as in any folder but the store's.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    folder = store.download(store.version(NAME, "1"), tmp_path / "down")
    loaded = artifact.load(folder, threads=1)
    loaded.verify(pl.read_parquet(folder / artifact.SELF_CHECK))
