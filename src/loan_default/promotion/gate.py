"""Judge a model version: its metrics against the gate, and itself against the production model."""

import tempfile
from datetime import date
from pathlib import Path

import polars as pl

from loan_default.columns import DEFAULT, ISSUE_MONTH
from loan_default.data.parsing import month
from loan_default.errors import InputError
from loan_default.metrics import classification
from loan_default.metrics.classification import Interval
from loan_default.model import artifact
from loan_default.promotion import rules
from loan_default.promotion.rules import Check, Decision, Gate
from loan_default.registry.mlflow_client import Registry, Version
from loan_default.settings import Settings


def judge(
    registry: Registry, challenger: Version, champion_alias: str, settings: Settings
) -> Decision:
    """Every check of the gate, for a registered version as it stands now."""
    gate = Gate(
        auc_threshold=settings.promotion_auc_threshold,
        f1_threshold=settings.promotion_f1_threshold,
        calibration_tolerance=settings.promotion_calibration_tolerance,
    )
    champion = registry.aliased_or_none(challenger.name, champion_alias)
    check = _against(registry, champion, challenger, settings.random_seed)
    checks = rules.threshold_checks(registry.metrics(challenger), gate)
    return rules.decide([*checks, check])


def _against(registry: Registry, champion: Version | None, challenger: Version, seed: int) -> Check:
    if champion is None:
        return rules.champion_check(None, champion_version=None)
    if champion.number == challenger.number:
        itself = f"version {champion.number} is the production model itself"
        return Check(rules.CHAMPION_CHECK, None, None, True, itself)
    try:
        interval = _compare(registry, champion, challenger, seed)
    except InputError as error:
        return rules.champion_check(None, champion_version=champion.number, why_not=str(error))
    return rules.champion_check(interval, champion_version=champion.number)


def _compare(registry: Registry, champion: Version, challenger: Version, seed: int) -> Interval:
    """AUC(challenger) - AUC(champion) of both evaluation models on months that neither has seen.

    Raises InputError where there are no such months or the champion's files do not load.
    """
    with tempfile.TemporaryDirectory() as folder:
        of_champion, of_challenger = (
            registry.download(version, Path(folder, version.number)) / artifact.EVALUATION
            for version in (champion, challenger)
        )
        models = [artifact.load(path) for path in (of_champion, of_challenger)]
        test = _unseen(pl.read_parquet(of_challenger / artifact.TEST_ROWS), models)
    champions, challengers = (judged.probability(test) for judged in models)
    default = test[DEFAULT].to_numpy()
    return classification.paired_auc_difference(default, champions, challengers, seed=seed)


def _unseen(test: pl.DataFrame, models: list[artifact.Model]) -> pl.DataFrame:
    seen_through = max(_month(judged.facts.fit_through) for judged in models)
    unseen = test.filter(pl.col(ISSUE_MONTH) > seen_through)
    if unseen[DEFAULT].n_unique() < 2:
        raise InputError(
            f"the test months hold no loans of both outcomes issued after {seen_through:%Y-%m}, "
            "the last month that both models have learned from"
        )
    return unseen


def _month(text: str) -> date:
    found = month(text)
    if found is None:
        raise InputError(f"fit_through {text!r} is no month")
    return found
