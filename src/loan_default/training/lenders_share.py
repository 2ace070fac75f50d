"""What the lender's own price does: for the ranking, and for the reasons that can be told."""

from dataclasses import replace

import numpy as np
import polars as pl

from loan_default.columns import DEFAULT
from loan_default.metrics.auc import auc, counts_by_score
from loan_default.model import scoring
from loan_default.model.artifact import Model
from loan_default.settings import Settings
from loan_default.training import fitting
from loan_default.training.training_set import TrainingSet, feature_names

EXPLAINED_ROWS = 2_000


def measure(
    data: TrainingSet, evaluated: Model, test: pl.DataFrame, settings: Settings
) -> dict[str, float]:
    """Return what the other choice of USE_LENDER_PRICE would reach, and the share of untold causes.

    Args:
        data: what the evaluation model learned from.
        evaluated: that model.
        test: the test loans.
        settings: which choice was made.

    Returns:
        `AUC_without_price` (or `AUC_with_price`, if the model does not see it), of a model with the
        same rounds; and `untold_declines`, the share in [0, 1] of declined test loans, at most
        `EXPLAINED_ROWS` of them, whose strongest cause is the lender's own and no reason for the
        applicant. Empty if the contract names no price; the share is absent if none is declined.
    """
    found: dict[str, float] = {}
    names = feature_names(data.contract, not settings.use_lender_price)
    if names == data.names:
        return found
    other = fitting.fit(data.with_features(names), data.contract, settings, evaluated.facts.rounds)
    facts = replace(evaluated.facts, features=names)
    model = replace(evaluated, booster_bytes=bytes(other.save_raw("ubj")), facts=facts)
    area = auc(*counts_by_score(test[DEFAULT].to_numpy(), model.probability(test)))
    assert area is not None, "the test months hold both classes"
    found["AUC_without_price" if settings.use_lender_price else "AUC_with_price"] = area
    declined = test.filter(evaluated.probability(test) >= evaluated.facts.threshold)
    if declined.height:
        rows = np.linspace(0, declined.height - 1, EXPLAINED_ROWS).astype(int)
        matrix = evaluated.matrix(declined[np.unique(rows)])
        found["untold_declines"] = scoring.untold_share(evaluated, matrix)
    return found
