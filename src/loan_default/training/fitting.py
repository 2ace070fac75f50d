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
from loan_default.model import features
from loan_default.model.artifact import Calibration, Facts, Model, Vector, dmatrix
from loan_default.settings import Settings

if TYPE_CHECKING:
    import xgboost as xgb

Outcomes = NDArray[np.int8]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold log-odds `margins` (n,) after `rounds`, and the folds' mean log loss by round."""

    rounds: int
    margins: Vector
    train_loss: list[float]
    validation_loss: list[float]


def parameters(settings: Settings, contract: Contract) -> dict[str, Any]:
    """Return XGBoost's parameters, including thread count and device."""
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "device": settings.xgb_device,
        "max_depth": settings.xgb_max_depth,
        "learning_rate": settings.xgb_learning_rate,
        "min_child_weight": settings.xgb_min_child_weight,
        "reg_lambda": settings.xgb_reg_lambda,
        "subsample": settings.xgb_subsample,
        "colsample_bytree": settings.xgb_colsample_bytree,
        "monotone_constraints": tuple(contract.risks.values()),
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
    matrix: features.Matrix,
    default: Outcomes,
    contract: Contract,
    settings: Settings,
    rounds: int | None = None,
    progress: Progress | None = None,
) -> CrossValidation:
    """Compute out-of-fold margins by stratified K-fold cross-validation.

    Args:
        matrix: (n, k) float32 features.
        default: (n,) outcomes, 0 or 1.
        contract: what the features mean.
        rounds: the number of boosting rounds; by default early stopping on the folds' mean loss
            chooses it.
        progress: called with the number of rounds after each round.

    Raises InputError if a class has fewer loans than folds.
    """
    import xgboost as xgb

    _require_loans_for_folds(default, settings.cv_folds)
    folds = _Folds(_fold_rows(default, settings), progress)
    history: Any = xgb.cv(
        parameters(settings, contract),
        dmatrix(matrix, contract, contract.features, default, settings.threads),
        num_boost_round=rounds or settings.xgb_max_rounds,
        folds=folds.rows,
        early_stopping_rounds=None if rounds else settings.xgb_early_stopping_rounds,
        as_pandas=False,
        callbacks=[folds.callback()],
    )
    validation = [float(loss) for loss in history["test-logloss-mean"]]
    return CrossValidation(
        len(validation),
        folds.margins(len(validation), len(default)),
        [float(loss) for loss in history["train-logloss-mean"]],
        validation,
    )


def fit(
    matrix: features.Matrix,
    default: Outcomes,
    contract: Contract,
    settings: Settings,
    rounds: int,
) -> "xgb.Booster":
    """Fit a booster of `rounds` trees to the features (n, k) and outcomes (n,).

    The same rows, settings and thread count give the same bytes.
    """
    import xgboost as xgb

    training = dmatrix(matrix, contract, contract.features, default, settings.threads)
    return xgb.train(parameters(settings, contract), training, num_boost_round=rounds)


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
    matrix: features.Matrix,
    default: Outcomes,
    complete: NDArray[np.bool_],
    validation: CrossValidation,
    fit_through: str,
    contract: Contract,
    settings: Settings,
) -> tuple[Model, Vector]:
    """Fit the model on all n rows and calibrate it on the rows of complete months.

    Its threshold is that of the best F1, until `thresholds.choose` replaces it.

    Args:
        matrix: (n, k) features.
        default: (n,) outcomes, 0 or 1.
        complete: (n,) whether the row's issue month is complete.
        validation: the cross-validation of the same rows.
        fit_through: the last issue month of the rows, YYYY-MM.
        contract: what the features mean; the model carries it.

    Returns:
        the model, and the out-of-fold default probabilities (n,).
    """
    calibration = calibrate(validation.margins[complete], default[complete])
    probability = calibration.probability(validation.margins)
    facts = Facts(
        features=contract.features,
        levels=contract.levels,
        calibration=calibration,
        threshold=classification.best_f1_threshold(default[complete], probability[complete]),
        fit_through=fit_through,
        rounds=validation.rounds,
        contract=contract.digest,
    )
    booster = fit(matrix, default, contract, settings, validation.rounds)
    return Model(bytes(booster.save_raw("ubj")), facts, contract, settings.threads), probability


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
    return list(splitter.split(default, default))


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
