"""The saved model: booster, category levels, calibration and decision threshold, without pickle."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import PROBABILITY
from loan_default.contract import load as contracts
from loan_default.contract.contract import Contract
from loan_default.errors import InputError
from loan_default.model import features
from loan_default.model.economics import Economics

if TYPE_CHECKING:
    import xgboost as xgb

Vector = NDArray[np.float64]

FORMAT = 1
BOOSTER = "booster.ubj"
FACTS = "model.json"
SELF_CHECK = "self_check.parquet"
REFERENCE = "reference.parquet"
CONTRACT = "contract.toml"
EVALUATION = "evaluation"
TEST_ROWS = "test.parquet"
# Two processors may round the last bits of a float32 sum differently.
SELF_CHECK_TOLERANCE = 1e-5
# Of a term in which no default was observed; its logarithm must be finite
LEAST_HAZARD = 1e-6


@dataclass(frozen=True)
class Hazard:
    """The baseline cumulative hazard of default by loan age.

    Attributes:
        cumulative: at ages 0, 1, 2, ... months.
        tail: the hazard of each further month, above 0.
        center: the mean log cumulative hazard over the terms of the training loans.
    """

    cumulative: tuple[float, ...]
    tail: float
    center: float

    def log_cumulative(self, term: Vector) -> Vector:
        """Return the log of the cumulative hazard over terms (n,) in months, less `center`."""
        last = len(self.cumulative) - 1
        within = np.interp(term, np.arange(last + 1), self.cumulative)
        whole = within + self.tail * np.maximum(term - last, 0)
        return np.log(np.maximum(whole, LEAST_HAZARD)) - self.center


@dataclass(frozen=True)
class Calibration:
    """What makes the default probability over the full term of a booster's margin.

    Without `hazard`, Platt scaling: 1 / (1 + exp(-(slope * margin + intercept))) (Platt 1999,
    Probabilistic outputs for support vector machines). With it, 1 - exp(-H), where log H = slope *
    margin + intercept + hazard.log_cumulative(term): proportional hazards (Cox 1972, Regression
    models and life-tables, JRSS B 34:187).
    """

    slope: float
    intercept: float
    hazard: Hazard | None = None

    def probability(self, margin: NDArray[np.floating], term: Vector) -> Vector:
        """Return calibrated default probabilities (n,) in [0, 1] for margins and terms (n,)."""
        score = self.slope * np.asarray(margin, dtype=np.float64) + self.intercept
        if self.hazard is None:
            return 1.0 / (1.0 + np.exp(-np.clip(score, -700, 700)))
        score = score + self.hazard.log_cumulative(term)
        return -np.expm1(-np.exp(np.clip(score, -700, 700)))


@dataclass(frozen=True)
class Facts:
    """The model's JSON file: everything but the booster.

    `levels` are the category levels in the order of their codes, `threshold` is the minimum default
    probability that is declined, `fit_through` the last issue month in the training data (YYYY-MM),
    `contract` the digest of the data contract, empty in versions that were stored without one,
    `economics` what the training data lost and earned, None without money,
    `known_through` the month whose knowledge of outcomes the model rests on (YYYY-MM; empty in
    older versions).
    """

    features: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    calibration: Calibration
    threshold: float
    fit_through: str
    rounds: int
    format: int = FORMAT
    contract: str = ""
    economics: Economics | None = None
    known_through: str = ""


@dataclass(frozen=True)
class Model:
    """A booster with the facts that turn its margin into a decision.

    `contract` describes the records that it scores. `threads` is the number of
    threads that score; 0 uses all processors.
    """

    booster_bytes: bytes
    facts: Facts
    contract: Contract
    threads: int = 0

    @cached_property
    def booster(self) -> "xgb.Booster":
        """The booster, loaded on first use."""
        import xgboost as xgb

        try:
            booster = xgb.Booster(model_file=bytearray(self.booster_bytes))
        except xgb.core.XGBoostError:
            raise InputError(f"{BOOSTER} is damaged or none of XGBoost's: train it again") from None
        booster.set_param({"nthread": self.threads or -1, "device": "cpu"})
        return booster

    def matrix(self, records: pl.DataFrame) -> features.Matrix:
        """Return this model's k features of n typed records, (n, k) float32."""
        return features.matrix(records, self.contract, self.facts.features, self.facts.levels)

    def probability(self, records: pl.DataFrame) -> Vector:
        """Return calibrated default probabilities (n,) in [0, 1] for n typed records."""
        return self.probability_of(self.matrix(records))

    def probability_of(self, matrix: features.Matrix) -> Vector:
        """Return calibrated default probabilities (n,) in [0, 1] for a feature matrix (n, k)."""
        if not len(matrix):
            return np.empty(0)
        margin = self.booster.inplace_predict(matrix, predict_type="margin")
        return self.facts.calibration.probability(margin, self.terms(matrix))

    def terms(self, matrix: features.Matrix) -> Vector:
        """Return the terms in months (n,) of a feature matrix (n, k)."""
        loan = self.contract.loan
        if loan.term is None:
            return np.full(len(matrix), float(loan.window_months or 0))
        return matrix[:, self.facts.features.index(loan.term)].astype(np.float64)

    def dmatrix(self, matrix: features.Matrix) -> "xgb.DMatrix":
        """Return the feature matrix (n, k) as XGBoost's DMatrix."""
        return dmatrix(matrix, self.contract, self.facts.features, threads=self.threads)

    def save(self, folder: Path) -> None:
        """Write the booster, in XGBoost's UBJSON format, facts and contract into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / BOOSTER).write_bytes(self.booster_bytes)
        (folder / FACTS).write_text(json.dumps(asdict(self.facts), indent=1, sort_keys=True))
        (folder / CONTRACT).write_text(self.contract.text, encoding="utf-8")

    def verify(self, self_check: pl.DataFrame) -> None:
        """Check that the model reproduces the scores stored with the self-check rows.

        Raises InputError if one differs by more than `SELF_CHECK_TOLERANCE`.
        """
        difference = np.abs(self.probability(self_check) - self_check[PROBABILITY].to_numpy())
        if not len(difference) or not difference.max() <= SELF_CHECK_TOLERANCE:
            largest = difference.max() if len(difference) else float("nan")
            raise InputError(
                f"the model does not reproduce its stored scores (off by {largest:.2g}): "
                "its files do not match this version of the code; train it again"
            )


def load(folder: Path, threads: int = 0) -> Model:
    """Load a model that `save` has written.

    Raises InputError if the files are missing or incompatible.
    """
    try:
        raw = json.loads((folder / FACTS).read_text())
        booster_bytes = (folder / BOOSTER).read_bytes()
        facts = _facts(raw)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} holds no model of this platform: {error}") from None
    contract = _contract(folder, facts)
    unknown = sorted(set(facts.features) - set(contract.features))
    if facts.format != FORMAT or unknown:
        raise InputError(
            f"the model in {folder} was made by another version of this code "
            f"(format {facts.format}, unknown features: {', '.join(unknown) or 'none'}): "
            "train it again"
        )
    return Model(booster_bytes, facts, contract, threads)


def _contract(folder: Path, facts: Facts) -> Contract:
    """Return the version's contract; one stored without has LendingClub's of that time."""
    path = folder / CONTRACT
    if not path.exists() and not facts.contract:
        return contracts.before_files()
    if not path.exists():
        raise InputError(f"{folder} holds no model of this platform: {CONTRACT} is missing")
    contract = contracts.parse(path.read_text(encoding="utf-8"), CONTRACT)
    if contract.digest != facts.contract:
        raise InputError(
            f"{path} was changed after the model was trained (digest {contract.digest[:12]}, "
            f"trained with {facts.contract[:12]}): restore it, or train again"
        )
    return contract


def dmatrix(
    matrix: features.Matrix,
    contract: Contract,
    names: Sequence[str],
    default: NDArray[Any] | None = None,
    threads: int = 0,
) -> "xgb.DMatrix":
    """Build XGBoost's DMatrix of features (n, k) and, for training, outcomes (n,) of 0 and 1."""
    import xgboost as xgb

    return xgb.DMatrix(
        matrix,
        default,
        feature_names=list(names),
        feature_types=features.types(names, contract),
        enable_categorical=True,
        nthread=threads or -1,
    )


def _facts(raw: dict[str, Any]) -> Facts:
    return Facts(
        features=tuple(raw["features"]),
        levels={name: tuple(levels) for name, levels in raw["levels"].items()},
        calibration=_calibration(raw["calibration"]),
        threshold=float(raw["threshold"]),
        fit_through=raw["fit_through"],
        rounds=int(raw["rounds"]),
        format=int(raw["format"]),
        contract=str(raw.get("contract", "")),
        economics=Economics(**raw["economics"]) if raw.get("economics") else None,
        known_through=str(raw.get("known_through", "")),
    )


def _calibration(raw: dict[str, Any]) -> Calibration:
    hazard = raw.pop("hazard", None)
    if hazard:
        hazard = Hazard(tuple(hazard["cumulative"]), hazard["tail"], hazard["center"])
    return Calibration(**raw, hazard=hazard)
