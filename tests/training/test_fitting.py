import json
import warnings

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import lendingclub
from lendingclub import CONTRACT
from loan_default.errors import InputError
from loan_default.metrics import classification
from loan_default.model.artifact import Calibration, dmatrix
from loan_default.settings import Settings
from loan_default.training import fitting, training_set
from loan_default.training.training_set import TrainingSet
from records import typed_loans

QUICK = Settings(xgb_max_rounds=60, xgb_early_stopping_rounds=10, cv_folds=3, n_threads=1)
LOANS = typed_loans(3000)
DEFAULT = LOANS["default"].to_numpy()


def learned(default: np.ndarray = DEFAULT, complete: np.ndarray | None = None) -> TrainingSet:
    """Matured loans with these final outcomes."""
    loans = LOANS.with_columns(default=pl.Series(default))
    every = np.ones(len(default), dtype=bool) if complete is None else complete
    return training_set.full_term(loans, every, CONTRACT, None)


DATA = learned()
MATRIX = DATA.matrix
TERMS = np.array([36.0, 60.0])


def test_every_row_gets_a_margin_from_a_booster_that_did_not_see_it() -> None:
    found = fitting.cross_validate(DATA, CONTRACT, QUICK)
    assert found.margins.shape == (3000,) and np.isfinite(found.margins).all()
    assert 0.6 < roc_auc_score(DEFAULT, found.margins) < roc_auc_score(DEFAULT, LOANS["truth"])
    noise = np.random.default_rng(1).permutation(DEFAULT)
    overfitted = fitting.cross_validate(learned(noise), CONTRACT, QUICK, rounds=60)
    assert abs(roc_auc_score(noise, overfitted.margins) - 0.5) < 0.04


def test_early_stopping_keeps_the_round_with_the_least_validation_loss() -> None:
    settings = QUICK.model_copy(update={"xgb_learning_rate": 0.5, "xgb_max_rounds": 300})
    found = fitting.cross_validate(DATA, CONTRACT, settings)
    assert found.rounds == len(found.validation_loss) == len(found.train_loss) < 290
    assert np.argmin(found.validation_loss) == found.rounds - 1


def test_given_rounds_are_kept_and_progress_is_told() -> None:
    told: list[int] = []
    found = fitting.cross_validate(DATA, CONTRACT, QUICK, rounds=7, progress=told.append)
    assert (found.rounds, told) == (7, [1, 2, 3, 4, 5, 6, 7])


def test_given_rounds_are_all_fitted_even_where_they_make_it_worse() -> None:
    hasty = {"xgb_learning_rate": 0.9, "xgb_early_stopping_rounds": 1}
    found = fitting.cross_validate(DATA, CONTRACT, QUICK.model_copy(update=hasty), rounds=30)
    assert found.rounds == len(found.validation_loss) == 30 > np.argmin(found.validation_loss) + 1


def test_the_margins_are_those_of_the_rounds_that_were_kept() -> None:
    settings = QUICK.model_copy(update={"xgb_learning_rate": 0.5})
    stopped = fitting.cross_validate(DATA, CONTRACT, settings)
    again = fitting.cross_validate(DATA, CONTRACT, settings, rounds=stopped.rounds)
    assert stopped.rounds < settings.xgb_max_rounds
    assert (stopped.margins == again.margins).all()


@pytest.mark.parametrize("change", [{"random_seed": 43}, {"cv_folds": 4}])
def test_the_same_seed_and_folds_give_the_same_margins_and_others_do_not(
    change: dict[str, int],
) -> None:
    first, second, other = (
        fitting.cross_validate(DATA, CONTRACT, settings, rounds=3).margins
        for settings in (QUICK, QUICK, QUICK.model_copy(update=change))
    )
    assert (first == second).all() and (first != other).any()


@pytest.mark.parametrize("rare", [0, 1])
def test_a_class_rarer_than_the_folds_is_refused(rare: int) -> None:
    default = np.full(3000, 1 - rare, dtype=np.int8)
    default[:2] = rare
    with pytest.raises(InputError, match="only 2 matured loans.*at least 3"):
        fitting.cross_validate(learned(default), CONTRACT, QUICK)
    default[2] = rare
    assert fitting.cross_validate(learned(default), CONTRACT, QUICK, rounds=1).rounds == 1


def test_the_same_rows_settings_and_threads_give_the_same_bytes() -> None:
    first, second = (fitting.fit(DATA, CONTRACT, QUICK, 20).save_raw("ubj") for _ in range(2))
    assert first == second
    assert fitting.fit(DATA, CONTRACT, QUICK, 20).num_boosted_rounds() == 20
    other = QUICK.model_copy(update={"random_seed": 43})
    assert fitting.fit(DATA, CONTRACT, other, 20).save_raw("ubj") != first


def test_calibration_finds_the_scale_of_the_margins() -> None:
    draw = np.random.default_rng(0)
    log_odds = draw.normal(-1.5, 1, 200_000)
    default = (draw.random(200_000) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)
    found = fitting.calibrate(2 * log_odds + 1, default)
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.intercept == pytest.approx(-0.5, abs=0.03)


def test_margins_that_say_nothing_give_the_default_rate() -> None:
    default = np.array([1, 1, 0, 0, 0, 0, 0, 0], dtype=np.int8)
    found = fitting.calibrate(-default.astype(float), default)
    assert found.slope == 0
    assert found.probability(np.array([-3.0, 5.0]), TERMS) == pytest.approx([0.25, 0.25])


def test_only_complete_months_calibrate_but_every_row_teaches() -> None:
    validation = fitting.cross_validate(DATA, CONTRACT, QUICK, rounds=10)
    half = np.arange(3000) < 1500
    model, probability = fitting.assemble(learned(complete=half), validation, CONTRACT, QUICK)
    assert model.facts.calibration == fitting.calibrate(validation.margins[half], DEFAULT[half])
    assert model.facts.threshold == classification.best_f1_threshold(
        DEFAULT[half], probability[half]
    )
    assert (model.facts.fit_through, model.facts.rounds, model.threads) == ("2014-12", 10, 1)
    assert model.booster_bytes == bytes(fitting.fit(DATA, CONTRACT, QUICK, 10).save_raw("ubj"))
    assert probability == pytest.approx(
        model.facts.calibration.probability(validation.margins, DATA.term)
    )


def test_a_higher_risk_never_lowers_the_score() -> None:
    booster = fitting.fit(DATA, CONTRACT, QUICK, 40)
    column = lendingclub.FEATURES.index("dti")
    ladder = np.repeat(MATRIX[:1], 50, axis=0)
    ladder[:, column] = np.linspace(0, 60, 50)
    margins = booster.inplace_predict(ladder, predict_type="margin")
    assert (np.diff(margins) >= 0).all() and margins[-1] > margins[0]


def test_platt_scaling_is_the_logistic_of_the_scaled_margin() -> None:
    assert Calibration(2.0, -1.0).probability(np.array([0.5]), TERMS[:1]) == pytest.approx([0.5])
    assert Calibration(1.0, 0.0).probability(np.array([1e6, -1e6]), TERMS) == pytest.approx(
        [1.0, 0.0]
    )


def test_xgboost_knows_every_parameter_and_takes_it_from_its_setting() -> None:
    import xgboost as xgb

    given = {"max_depth": 3, "learning_rate": 0.25, "min_child_weight": 9.0, "reg_lambda": 2.5}
    given |= {"subsample": 0.75, "colsample_bytree": 0.5}
    changed = {f"xgb_{name}": value for name, value in given.items()} | {"random_seed": 11}
    asked = fitting.parameters(QUICK.model_copy(update=changed), CONTRACT)
    learned = dmatrix(MATRIX, CONTRACT, lendingclub.FEATURES, DEFAULT, threads=1)
    # XGBoost only warns of names that it does not know
    with warnings.catch_warnings(action="error"):
        booster = xgb.train(asked, learned, num_boost_round=1)
    found = json.loads(booster.save_config())["learner"]
    boosting = found["gradient_booster"]
    trees = boosting["gbtree_train_param"] | boosting["tree_train_param"]
    assert {name: float(trees[name]) for name in given} == given
    assert trees["tree_method"] == "hist"
    assert found["objective"]["name"] == "binary:logistic"
    assert [metric["name"] for metric in found["metrics"]] == ["logloss"]
    assert {name: found["generic_param"][name] for name in ("device", "nthread", "seed")} == {
        "device": "cpu",
        "nthread": "1",
        "seed": "11",
    }


def test_a_device_that_is_not_there_is_refused_and_never_quietly_replaced() -> None:
    import xgboost as xgb

    asked = QUICK.model_copy(update={"xgb_device": "cuda"})
    fitting.require_device(QUICK)
    if xgb.build_info()["USE_CUDA"]:
        pytest.skip("this XGBoost may have a GPU")
    with pytest.raises(InputError, match="replace xgboost-cpu by xgboost=="):
        fitting.require_device(asked)


def test_a_build_for_gpus_without_one_says_what_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import xgboost as xgb

    if xgb.build_info()["USE_CUDA"]:
        pytest.skip("this XGBoost may have a GPU")
    monkeypatch.setattr(xgb, "build_info", lambda: {"USE_CUDA": True})
    asked = QUICK.model_copy(update={"xgb_device": "cuda"})
    with pytest.raises(InputError, match=r"^XGB_DEVICE=cuda, but no GPU responds .*: set XGB_DEV"):
        fitting.require_device(asked)
