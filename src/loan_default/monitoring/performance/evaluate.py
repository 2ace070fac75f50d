"""Realised quality of all predictions so far: evaluated when labels arrive, remembered until then.

Reading every prediction of every day again costs minutes after a year, and without new labels it
would say the same.
"""

import json
from typing import Any

from loan_default import storage
from loan_default.monitoring.days import predictions
from loan_default.monitoring.performance import labels, realised_metrics


def evaluate(root: str, renew: bool) -> dict[str, Any] | None:
    """The figures of `realised.realised` for the labels kept under `root`; None without labels.

    They come from ROOT/outcomes/realised.json, which is made anew where other deliveries have come
    since, or with `renew`.
    """
    path = storage.join(root, "outcomes", "realised.json")
    deliveries = labels.deliveries(root)
    if not deliveries:
        return None
    if not renew and storage.exists(path):
        found: dict[str, Any] = json.loads(storage.read_text(path))
        if found.pop("deliveries") == deliveries:
            return found
    known = labels.known(root)
    figures = realised_metrics.realised(predictions.judge(root, known.labels), known.as_of)
    text = json.dumps({"deliveries": deliveries, **figures}, allow_nan=False, indent=1)
    storage.write_text(path, text + "\n")
    return figures


def summary(figures: dict[str, Any] | None) -> dict[str, Any] | None:
    """The figures without their tables, as a script's JSON line holds them."""
    if figures is None:
        return None
    waiting = sum(month["predictions"] for month in figures["immature"])
    tables = ("by_month", "by_band", "by_version", "immature")
    return {k: v for k, v in figures.items() if k not in tables} | {"immature": waiting}
