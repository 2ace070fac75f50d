"""Evaluate a registered version: its metrics against the gate, itself against production."""

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from loan_default.columns import DEFAULT, ISSUE_MONTH
from loan_default.data.parsing import month
from loan_default.errors import InputError
from loan_default.metrics import classification
from loan_default.metrics.classification import Interval
from loan_default.model import artifact
from loan_default.model.artifact import Model
from loan_default.promotion import rules
from loan_default.promotion.rules import Check, Gate, GateDecision
from loan_default.registry.versions import ModelVersion, Registry
from loan_default.settings import Settings


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
    check = _champion_check(registry, champion, challenger, settings.random_seed)
    checks = rules.threshold_checks(registry.metrics(challenger), gate)
    return rules.decide([*checks, check])


def _champion_check(
    registry: Registry, champion: ModelVersion | None, challenger: ModelVersion, seed: int
) -> Check:
    if champion is None:
        return rules.champion_check(None, champion_version=None)
    if champion.version == challenger.version:
        reason = f"version {champion.version} is the production model itself"
        return Check(rules.CHAMPION_CHECK, None, None, True, reason)
    try:
        interval = _compare(registry, champion, challenger, seed)
    except InputError as error:
        return rules.champion_check(None, champion_version=champion.version, why_not=str(error))
    return rules.champion_check(interval, champion_version=champion.version)


def _compare(
    registry: Registry, champion: ModelVersion, challenger: ModelVersion, seed: int
) -> Interval:
    """Compare the AUC of both evaluation models on months that neither was trained on.

    Returns the interval of AUC(challenger) - AUC(champion). Raises InputError if there are no such
    months or the champion's files do not load.
    """
    with tempfile.TemporaryDirectory() as temporary:
        champion_folder, challenger_folder = (
            registry.download(version, Path(temporary, version.version)) / artifact.EVALUATION
            for version in (champion, challenger)
        )
        models = [artifact.load(folder) for folder in (champion_folder, challenger_folder)]
        test = _unseen(pl.read_parquet(challenger_folder / artifact.TEST_ROWS), models)
    if missing := sorted(set(models[0].contract.names) - set(test.columns)):
        raise InputError(f"the production model reads columns that are gone: {', '.join(missing)}")
    champion_scores, challenger_scores = (model.probability(test) for model in models)
    return classification.paired_auc_difference(
        test[DEFAULT].to_numpy(), champion_scores, challenger_scores, seed=seed
    )


def _unseen(test: pl.DataFrame, models: Sequence[Model]) -> pl.DataFrame:
    seen_through = max(_month(model.facts.fit_through) for model in models)
    unseen = test.filter(pl.col(ISSUE_MONTH) > seen_through)
    if unseen[DEFAULT].n_unique() < 2:
        raise InputError(
            f"the test months hold no loans of both outcomes issued after {seen_through:%Y-%m}, "
            "the last month that either model was trained on"
        )
    return unseen


def _month(text: str) -> date:
    parsed = month(text)
    if parsed is None:
        raise InputError(f"fit_through {text!r} is not a month")
    return parsed
