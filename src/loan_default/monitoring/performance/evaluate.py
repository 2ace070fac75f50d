"""Evaluate all predictions so far on their outcomes, when labels arrive; stored until then.

Reading every prediction of every day takes minutes after a year, and without new labels the result
would be the same.
"""

import json
from dataclasses import dataclass

from loan_default import storage
from loan_default.monitoring.days import predictions
from loan_default.monitoring.performance import delivered, labels
from loan_default.monitoring.performance.delivered import MatchedIds
from loan_default.monitoring.performance.realised_json import from_json, to_json
from loan_default.monitoring.performance.realised_metrics import (
    RealisedPerformance,
    realised_performance,
)


@dataclass(frozen=True)
class Evaluation:
    """The realised performance, None without labels; and how many ids of a delivery matched."""

    realised: RealisedPerformance | None
    matched: MatchedIds | None = None


def evaluate(root: str, delivery: str | None) -> Evaluation:
    """Evaluate the predictions on the labels stored under `root`.

    The performance comes from ROOT/outcomes/realised.json, unless labels have been delivered since,
    an earlier release wrote that file with other keys, or a `delivery` is given: the path of its
    stored labels.
    """
    path = storage.join(root, "outcomes", "realised.json")
    deliveries = labels.deliveries(root)
    if not deliveries:
        return Evaluation(None)
    if not delivery and (stored := _stored(path, deliveries)):
        return Evaluation(stored)
    known = labels.known(root)
    labelled = predictions.join_labels(root, known.labels)
    performance = realised_performance(labelled, known.as_of)
    document = {"deliveries": deliveries, **to_json(performance)}
    storage.write_text(path, json.dumps(document, allow_nan=False, indent=1) + "\n")
    if not delivery:
        return Evaluation(performance)
    return Evaluation(performance, delivered.matched_ids(labels.stored(delivery), labelled))


def _stored(path: str, deliveries: list[str]) -> RealisedPerformance | None:
    if not storage.exists(path):
        return None
    document = json.loads(storage.read_text(path))
    try:
        return from_json(document) if document["deliveries"] == deliveries else None
    except KeyError:
        return None
