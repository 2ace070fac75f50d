"""Evaluate a registered version: its metrics against the gate, itself against production."""

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from loan_default.columns import DEFAULT, ISSUE_MONTH, TERM
from loan_default.contract.contract import Contract
from loan_default.data.parsing import month
from loan_default.errors import InputError
from loan_default.metrics import classification, intervals
from loan_default.metrics.intervals import Metric
from loan_default.model import artifact
from loan_default.model.artifact import Model, Vector
from loan_default.promotion import rules
from loan_default.promotion.rules import Check, Comparison, Gate, GateDecision
from loan_default.registry.versions import ModelVersion, Registry
from loan_default.settings import Settings
from loan_default.training import benchmarks

MAX_LEVELS = 10
SCORE_BANDS = 5
# Below it an interval is too wide to say anything, and only widens those of the other groups.
MIN_GROUP = 50


def evaluate(
    registry: Registry, challenger: ModelVersion, champion_alias: str, settings: Settings
) -> GateDecision:
    """Run every check of the gate on a registered version.

    `champion_alias` is the alias of the production model, which the challenger is compared with.
    """
    gate = Gate(
        auc_threshold=settings.promotion_auc_threshold,
        f1_threshold=settings.promotion_f1_threshold,
        calibration_tolerance=settings.promotion_calibration_tolerance,
    )
    champion = registry.find_by_alias(challenger.name, champion_alias)
    checks = rules.threshold_checks(registry.metrics(challenger), gate)
    tested = _tested_checks(registry, challenger, settings)
    check = _champion_check(registry, champion, challenger, settings)
    return rules.decide([*checks, *tested, check])


def _tested_checks(registry: Registry, version: ModelVersion, settings: Settings) -> list[Check]:
    """Check calibration and the gain over the price alone on the version's test loans."""
    tolerance = settings.promotion_ratio_tolerance
    with tempfile.TemporaryDirectory() as temporary:
        try:
            model, test = _tested(registry, version, Path(temporary))
        except InputError as error:
            return [rules.calibration_check(None, tolerance, why_not=str(error))]
    probability = model.probability(test)
    ratios = calibration_ratios(test, probability, model.contract)
    price = benchmarks.price_score(test, model.contract)
    gain = None
    if price is not None and test[DEFAULT].n_unique() == 2:
        default = test[DEFAULT].to_numpy()
        gain = benchmarks.compare(default, probability, price, settings.random_seed).gain
    return [
        rules.calibration_check(ratios, tolerance),
        rules.price_check(gain, benchmarks.price(model.contract), settings.promotion_price_gain),
    ]


def calibration_ratios(
    test: pl.DataFrame, probability: Vector, contract: Contract
) -> dict[str, Metric]:
    """Return predicted over observed defaults of all test loans, and by term, grade and score.

    Grades are the lender's own categories of at most `MAX_LEVELS` levels (LendingClub: grade).
    The interval over all loans has 95%, those of the groups hold together with 95% (Bonferroni).

    Args:
        test: n loans with outcome, term and the columns of `contract`.
        probability: (n,) their default probabilities.
    """
    default, groups = test[DEFAULT].to_numpy(), {}
    grades = (
        name for name in contract.price if 0 < len(contract.by_name[name].levels) <= MAX_LEVELS
    )
    for name in (TERM, *grades):
        for value in test[name].drop_nulls().unique().sort():
            shown = f"{value:g}" if isinstance(value, float) else value
            groups[f"{name} {shown}"] = (test[name] == value).fill_null(False).to_numpy()
    bounds = np.quantile(probability, np.arange(1, SCORE_BANDS) / SCORE_BANDS)
    band = np.searchsorted(bounds, probability, side="right")
    for number in range(SCORE_BANDS):
        groups[f"score band {number + 1} of {SCORE_BANDS}"] = band == number
    groups = {name: rows for name, rows in groups.items() if rows.sum() >= MIN_GROUP}
    level = 1 - (1 - intervals.LEVEL) / max(len(groups), 1)
    return {"all test loans": intervals.predicted_over_observed(default, probability)} | {
        name: intervals.predicted_over_observed(default[rows], probability[rows], level)
        for name, rows in groups.items()
    }


def _champion_check(
    registry: Registry,
    champion: ModelVersion | None,
    challenger: ModelVersion,
    settings: Settings,
) -> Check:
    margin, seed = settings.promotion_auc_margin, settings.random_seed
    if champion is None:
        return rules.champion_check(None, margin, champion_version=None)
    if champion.version == challenger.version:
        reason = f"version {champion.version} is the production model itself"
        return Check(rules.CHAMPION_CHECK, None, None, True, reason)
    try:
        compared = _compare(registry, champion, challenger, seed)
    except InputError as error:
        return rules.champion_check(
            None, margin, champion_version=champion.version, why_not=str(error)
        )
    return rules.champion_check(compared, margin, champion_version=champion.version)


def _compare(
    registry: Registry, champion: ModelVersion, challenger: ModelVersion, seed: int
) -> Comparison:
    """Compare the AUC of both evaluation models on months that neither was trained on.

    Raises InputError if there are no such months or a version's files do not load.
    """
    with tempfile.TemporaryDirectory() as temporary:
        (champion_model, _), (challenger_model, test) = (
            _tested(registry, version, Path(temporary, version.version))
            for version in (champion, challenger)
        )
    test = _unseen(test, (champion_model, challenger_model))
    if missing := sorted(set(champion_model.contract.names) - set(test.columns)):
        raise InputError(f"the production model reads columns that are gone: {', '.join(missing)}")
    interval = classification.paired_auc_difference(
        test[DEFAULT].to_numpy(),
        champion_model.probability(test),
        challenger_model.probability(test),
        seed=seed,
    )
    return Comparison(interval, test.height)


def _tested(registry: Registry, version: ModelVersion, folder: Path) -> tuple[Model, pl.DataFrame]:
    """Return a version's evaluation model and the loans that it was tested on."""
    files = registry.download(version, folder) / artifact.EVALUATION
    return artifact.load(files), pl.read_parquet(files / artifact.TEST_ROWS)


def _unseen(test: pl.DataFrame, models: Sequence[Model]) -> pl.DataFrame:
    seen_through = max(month for model in models for month in _months_seen(model))
    unseen = test.filter(pl.col(ISSUE_MONTH) > seen_through)
    if unseen[DEFAULT].n_unique() < 2:
        raise InputError(
            f"the test months hold no loans of both outcomes issued after {seen_through:%Y-%m}, "
            "the last month that either model was trained on"
        )
    return unseen


def _months_seen(model: Model) -> list[date]:
    """Return the last issue month of a model's training loans, and of what it knows of them."""
    facts, seen = model.facts, []
    for text in filter(None, (facts.fit_through, facts.known_through)):
        parsed = month(text)
        if parsed is None:
            raise InputError(f"{text!r} is not a month through which a model was trained")
        seen.append(parsed)
    return seen
