"""Cross-validate the number of rounds, fit, and calibrate out of fold."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loan_default.contract.contract import Contract
from loan_default.errors import InputError
from loan_default.metrics import classification
from loan_default.model.artifact import Calibration, Facts, Model, Vector, dmatrix
from loan_default.settings import Settings
from loan_default.training import hazard
from loan_default.training.training_set import TrainingSet

if TYPE_CHECKING:
    import xgboost as xgb

Outcomes = NDArray[np.int8]
Progress = Callable[[int], None]
# More loans change neither the rounds nor the calibration, but each costs as much in every fold
FOLD_LOANS = 50_000


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold log-odds `margins` (n,) after `rounds`, and the folds' mean log loss by round."""

    rounds: int
    margins: Vector
    train_loss: list[float]
    validation_loss: list[float]


def parameters(
    settings: Settings,
    contract: Contract,
    names: tuple[str, ...] | None = None,
    counts: bool = False,
) -> dict[str, Any]:
    """Return XGBoost's parameters, including thread count and device, for features of `names`.

    With `counts`, defaults are counted by exposure instead of classified at the end of the term;
    the margin is then a log relative risk, to which the base score adds nothing.
    """
    counted = {"objective": "count:poisson", "eval_metric": "poisson-nloglik", "base_score": 1.0}
    classified = {"objective": "binary:logistic", "eval_metric": "logloss"}
    return {
        **(counted if counts else classified),
        "tree_method": "hist",
        "device": settings.xgb_device,
        "max_depth": settings.xgb_max_depth,
        "learning_rate": settings.xgb_learning_rate,
        "min_child_weight": settings.xgb_min_child_weight,
        "reg_lambda": settings.xgb_reg_lambda,
        "subsample": settings.xgb_subsample,
        "colsample_bytree": settings.xgb_colsample_bytree,
        "monotone_constraints": tuple(contract.risks[name] for name in names or contract.features),
        "seed": settings.random_seed,
        "nthread": settings.threads,
    }


def require_device(settings: Settings) -> None:
    """Raise InputError if `xgb_device` is unavailable.

    XGBoost would otherwise fall back to the CPU and only warn.
    """
    if settings.xgb_device == "cpu":
        return
    import xgboost as xgb

    probe = xgb.DMatrix(np.eye(2), np.arange(2))
    requested = {"device": settings.xgb_device, "verbosity": 0}
    with warnings.catch_warnings(action="ignore"):
        booster = xgb.train(requested, probe, num_boost_round=1)
    used = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if used.startswith(settings.xgb_device):
        return
    if not xgb.build_info()["USE_CUDA"]:
        raise InputError(
            "XGB_DEVICE=cuda, but the installed XGBoost has no CUDA support: replace xgboost-cpu "
            f"by xgboost=={xgb.__version__}, or set XGB_DEVICE=cpu"
        )
    raise InputError("XGB_DEVICE=cuda, but no GPU responds (see nvidia-smi): set XGB_DEVICE=cpu")


def cross_validate(
    data: TrainingSet,
    contract: Contract,
    settings: Settings,
    rounds: int | None = None,
    progress: Progress | None = None,
) -> CrossValidation:
    """Compute out-of-fold margins by stratified K-fold cross-validation.

    Each fold's booster learns from at most `FOLD_LOANS` loans.

    Args:
        rounds: the number of boosting rounds; by default early stopping on the folds' mean loss
            chooses it.
        progress: called with the number of rounds after each round.

    Raises InputError if a class has fewer loans than folds.
    """
    import xgboost as xgb

    _require_loans_for_folds(data.label, settings.cv_folds)
    folds = _Folds(_fold_rows(data.label, settings), progress)
    chosen = parameters(settings, contract, data.names, data.offset is not None)
    history: Any = xgb.cv(
        chosen,
        _dmatrix(data, contract, settings),
        num_boost_round=rounds or settings.xgb_max_rounds,
        folds=folds.rows,
        early_stopping_rounds=None if rounds else settings.xgb_early_stopping_rounds,
        as_pandas=False,
        callbacks=[folds.callback()],
    )
    training, validation = (
        [float(loss) for loss in history[f"{rows}-{chosen['eval_metric']}-mean"]]
        for rows in ("train", "test")
    )
    margins = folds.margins(len(validation), len(data.label))
    margins -= 0 if data.offset is None else data.offset
    return CrossValidation(len(validation), margins, training, validation)


def fit(data: TrainingSet, contract: Contract, settings: Settings, rounds: int) -> "xgb.Booster":
    """Fit a booster of `rounds` trees.

    The same rows, settings and thread count give the same bytes.
    """
    import xgboost as xgb

    chosen = parameters(settings, contract, data.names, data.offset is not None)
    return xgb.train(chosen, _dmatrix(data, contract, settings), num_boost_round=rounds)


def _dmatrix(data: TrainingSet, contract: Contract, settings: Settings) -> "xgb.DMatrix":
    made = dmatrix(data.matrix, contract, data.names, data.label, settings.threads)
    if data.offset is not None:
        made.set_base_margin(data.offset)
    return made


def calibrate(margins: Vector, default: Outcomes) -> Calibration:
    """Fit Platt scaling to out-of-fold margins (n,) and outcomes (n,).

    Uninformative margins (a slope of 0 or less) give every loan the observed default rate.
    """
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=np.inf).fit(margins.reshape(-1, 1), default)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:
        rate = float(default.mean())
        return Calibration(0.0, float(np.log(rate / (1 - rate))))
    return Calibration(slope, intercept)


def assemble(
    data: TrainingSet,
    validation: CrossValidation,
    contract: Contract,
    settings: Settings,
) -> tuple[Model, Vector]:
    """Fit the model on all n rows and calibrate it out of fold.

    Its threshold is that of the best F1, until `thresholds.choose` replaces it.

    Args:
        data: the loans to learn from.
        validation: the cross-validation of the same rows.
        contract: what the features mean; the model carries it.

    Returns:
        the model, and the out-of-fold default probabilities (n,).
    """
    complete = data.complete
    if data.seen is None:
        calibration = calibrate(validation.margins[complete], data.default)
    else:
        calibration = hazard.calibrate(validation.margins, data.seen, data.term)
    probability = calibration.probability(validation.margins, data.term)
    facts = Facts(
        features=data.names,
        levels=contract.levels,
        calibration=calibration,
        threshold=_best_f1(data.default, probability[complete]),
        fit_through=f"{data.fit_through:%Y-%m}",
        rounds=validation.rounds,
        contract=contract.digest,
        known_through=f"{data.known_through:%Y-%m}" if data.known_through else "",
    )
    booster = fit(data, contract, settings, validation.rounds)
    return Model(bytes(booster.save_raw("ubj")), facts, contract, settings.threads), probability


def _best_f1(default: Outcomes, probability: Vector) -> float:
    """Return the threshold of the best F1; 1 if outcomes of one class alone are known."""
    if not 0 < default.sum() < len(default):
        return 1.0
    return classification.best_f1_threshold(default, probability)


def _require_loans_for_folds(default: Outcomes, folds: int) -> None:
    rarest = int(min(default.sum(), len(default) - default.sum()))
    if rarest < folds:
        raise InputError(
            f"only {rarest} matured loans have one of the two outcomes: at least "
            f"{folds} are needed (CV_FOLDS); give more loans"
        )


def _fold_rows(
    default: Outcomes, settings: Settings
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(settings.cv_folds, shuffle=True, random_state=settings.random_seed)
    generator = np.random.default_rng(settings.random_seed)
    return [
        (train if len(train) <= FOLD_LOANS else np.sort(_some(train, generator)), test)
        for train, test in splitter.split(default, default)
    ]


def _some(rows: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    return generator.choice(rows, FOLD_LOANS, replace=False)


class _Folds:
    """Keeps the folds' boosters, which xgb.cv discards, to compute the out-of-fold margins."""

    def __init__(self, rows: list[tuple[Any, Any]], progress: Progress | None) -> None:
        self.rows, self.progress = rows, progress
        self.packed: list[Any] = []

    def callback(self) -> Any:
        import xgboost as xgb

        outer = self

        class Keep(xgb.callback.TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                if outer.progress:
                    outer.progress(epoch + 1)
                return False

            def after_training(self, model: Any) -> Any:
                outer.packed = model.cvfolds
                return model

        return Keep()

    def margins(self, rounds: int, count: int) -> Vector:
        out = np.full(count, np.nan)
        for (_, test), fold in zip(self.rows, self.packed, strict=True):
            out[test] = fold.bst.predict(
                fold.dtest, output_margin=True, iteration_range=(0, rounds)
            )
        return out
