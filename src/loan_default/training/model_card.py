"""What a training run leaves for people to look at: plots, figures by quarter, a model card."""

import json
from pathlib import Path
from typing import Any

from loan_default.columns import DEFAULT, ISSUE_MONTH
from loan_default.metrics import classification, plots
from loan_default.training.train import Trained


def write(trained: Trained, params: dict[str, Any], folder: Path) -> None:
    """Write `plots/*.png`, `params.json`, `metrics_by_quarter.json` and `model_card.md` into
    `folder`."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    _plots(trained, folder / "plots")
    (folder / "params.json").write_text(json.dumps(params, indent=1, sort_keys=True) + "\n")
    quarters = _quarters(trained)
    (folder / "metrics_by_quarter.json").write_text(json.dumps(quarters, indent=1) + "\n")
    (folder / "model_card.md").write_text(model_card(trained, params, quarters))


def model_card(trained: Trained, params: dict[str, Any], quarters: list[dict[str, Any]]) -> str:
    """The model card (Mitchell et al. 2019, Model cards for model reporting) in Markdown."""
    split, metrics = trained.split, trained.metrics
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in metrics.items())
    by_quarter = "\n".join(
        f"| {q['quarter']} | {q['count']} | {q['default_rate']:.3f} "
        f"| {q['mean_probability']:.3f} "
        f"| {'one class' if q['AUC'] is None else format(q['AUC'], '.3f')} |"
        for q in quarters
    )
    return _CARD.format(
        rounds=trained.served.facts.rounds,
        served_rows=split.matured.height,
        served_through=trained.served.facts.fit_through,
        threshold=trained.served.facts.threshold,
        strategy=params["threshold_strategy"],
        earlier_rows=split.earlier.height,
        fit_through=trained.evaluated.facts.fit_through,
        test_rows=split.test.height,
        test_from=f"{split.test_from:%Y-%m}",
        test_through=f"{split.test_through:%Y-%m}",
        metrics=rows,
        quarters=by_quarter,
        commit=params["git_commit"],
        digest=params["data_digest"],
    )


def _plots(trained: Trained, folder: Path) -> None:
    split, probability = trained.split, trained.test_probability
    default = split.test[DEFAULT].to_numpy()
    months = (
        f"{split.test.height:,} loans issued {split.test_from:%Y-%m} to {split.test_through:%Y-%m}"
    )
    gains: Any = trained.evaluated.booster.get_score(importance_type="total_gain")
    names = trained.evaluated.facts.features
    curves = trained.validation
    figures = {
        "roc": plots.roc(default, probability, months),
        "precision_recall": plots.precision_recall(default, probability, months),
        "calibration": plots.calibration(default, probability, months),
        "confusion_matrix": plots.confusion_matrix(
            default, probability, trained.evaluated.facts.threshold, months
        ),
        "feature_importance": plots.feature_importance(
            names, [float(gains.get(name, 0.0)) for name in names], "evaluation model"
        ),
        "loss_curves": plots.loss_curves(
            curves.train_loss, curves.validation_loss, curves.rounds, "mean over the folds"
        ),
    }
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.png")


def _quarters(trained: Trained) -> list[dict[str, Any]]:
    test = trained.split.test
    return classification.by_quarter(
        test[ISSUE_MONTH].to_numpy(),
        test[DEFAULT].to_numpy(),
        trained.test_probability,
        trained.evaluated.facts.threshold,
    )


_CARD = """# Model card: probability of loan default

**Use**: ranks applications for instalment loans by the probability that the borrower defaults
before the term ends, and declines those at or above the threshold. Made for the kind of loan it
learned from; not for other products, and not the only ground for a decision.

**Served model**: XGBoost, {rounds} rounds, learned from {served_rows} matured loans issued through
{served_through}, calibrated out of fold (Platt scaling). Threshold {threshold:.4f} ({strategy}).

**Evaluation model**: the same recipe on the {earlier_rows} matured loans issued through
{fit_through}, tested on {test_rows} loans that it never saw, issued {test_from} to {test_through}.
All figures below are its own.

| metric | on the test months |
|---|---|
{metrics}

| issue quarter | loans | observed default rate | mean predicted | AUC |
|---|---|---|---|---|
{quarters}

## How to read the AUC

Application data carries limited information about the future. On LendingClub's loans of 2007 to
2011, honest out-of-time AUC lies near 0.70, so the default gate `PROMOTION_AUC_THRESHOLD=0.75` is
not reachable on them: set it to what your own test months support, a little below the AUC of the
model you trust today. A model that shows 0.99 has seen columns that are known only after the loan
was granted (payments, recoveries, later credit scores); training refuses those by name.

## Limits

- Only loans that were granted have outcomes: applicants who were declined are not represented.
- Grade, rate and installment are the lender's own earlier judgement; they are used to predict and
  never given as a reason.
- `zip_code` and `addr_state` are never features; other features may still stand in for protected
  attributes: test for disparate impact before use.
- Loans take years to mature, so the newest loans that it could learn from are years old. Monitoring
  compares today's applications with them.

Commit `{commit}`, data digest `{digest}`.
"""
