"""The report of a training run: plots, metrics by quarter and a model card."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loan_default.columns import DEFAULT, ISSUE_MONTH
from loan_default.metrics import classification, plots
from loan_default.plausibility.finding import Report
from loan_default.training import threshold_report
from loan_default.training.train import Trained

TEMPLATE = "model_card.md.j2"


def write(trained: Trained, params: dict[str, Any], report: Report, folder: Path) -> None:
    """Write plots, parameters, metrics, thresholds, plausibility and model card into `folder`."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    _plots(trained, folder / "plots")
    (folder / "params.json").write_text(json.dumps(params, indent=1, sort_keys=True) + "\n")
    quarters = _quarters(trained)
    (folder / "metrics_by_quarter.json").write_text(json.dumps(quarters, indent=1) + "\n")
    facts = json.dumps(report.as_json(), indent=1) + "\n"
    (folder / "plausibility.json").write_text(facts)
    decisions = threshold_report.as_json(trained.thresholds, trained.tested)
    (folder / "thresholds.json").write_text(json.dumps(decisions, indent=1) + "\n")
    (folder / "model_card.md").write_text(model_card(trained, params, quarters, report))


def model_card(
    trained: Trained,
    params: dict[str, Any],
    quarters: list[dict[str, Any]],
    report: Report | None = None,
) -> str:
    """Render the model card in Markdown.

    Args:
        params: the parameters that the run logs.
        quarters: the metrics by issue quarter, as of `classification.by_quarter`.
        report: what was noticed about the training data; None if nothing.

    The form follows Mitchell et al. (2019), Model cards for model reporting.
    """
    report = report or Report()
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        split=trained.split,
        sets=trained.sets,
        benchmarks={f"AUC_{name}": found for name, found in trained.benchmarks.items()},
        served=trained.served.facts,
        evaluated=trained.evaluated.facts,
        metrics=trained.metrics,
        quarters=quarters,
        params=params,
        findings=report.sentences(),
        accepted_because=report.accepted_because,
        thresholds=trained.thresholds,
        tested=trained.tested,
        own_thresholds=trained.judged is not trained.thresholds,
        show=threshold_report,
        unit=threshold_report.unit(trained.served.contract),
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
    subtitle = (
        f"served model out of fold, {trained.thresholds.measured.loans:,} loans once approved"
    )
    threshold_report.draw(trained.thresholds, subtitle, folder / "thresholds.png")


def _quarters(trained: Trained) -> list[dict[str, Any]]:
    test = trained.split.test
    return classification.by_quarter(
        test[ISSUE_MONTH].to_numpy(),
        test[DEFAULT].to_numpy(),
        trained.test_probability,
        trained.evaluated.facts.threshold,
    )
