"""The text of an alert: what drifted, how far, since when, the effect on the scores, what is next.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loan_default.monitoring.decision.policy import DRIFT, FAILED_COLUMNS, Decision, Situation
from loan_default.monitoring.drift.verdict import ColumnDrift
from loan_default.monitoring.performance.realised_metrics import Estimate, RealisedPerformance

MAX_COLUMNS = 5
# A smaller change of the missing share is not mentioned.
_MIN_MISSING_CHANGE = 0.005


@dataclass(frozen=True)
class Findings:
    """What monitoring found on the day, for the text of an alert.

    `reason` explains the drift verdict, `against` describes what the day was compared with,
    `columns` are worst first. `mean_before` is the mean probability in what it was compared with.
    `data_quality` has one sentence for each finding. `report` and `overview` are addresses.
    """

    reason: str
    against: str
    columns: Sequence[ColumnDrift]
    mean_before: float | None
    estimate: Estimate
    realised: RealisedPerformance | None
    data_quality: Sequence[str]
    report: str
    overview: str


def subject(decision: Decision, situation: Situation) -> str:
    """Return one line: the trouble, the day, the severity and the worst columns."""
    named = {DRIFT: situation.columns, FAILED_COLUMNS: situation.failed_columns}
    columns = ", ".join(named.get(decision.because, ())[:2])
    trouble = decision.because.capitalize()
    worst = f": {columns}" if columns else ""
    return f"{trouble} on {situation.run_date} ({decision.severity}){worst}"


def text(decision: Decision, situation: Situation, findings: Findings) -> str:
    """Return the whole message, one line per fact."""
    lines = [f"{findings.reason} (against {findings.against})"]
    lines += _column_lines(findings.columns)
    if situation.drift and situation.drift_days > 1:
        lines.append(f"Since: {situation.drift_since}, {situation.drift_days} scored days in a row")
    elif situation.drift:
        lines.append("Since: this day")
    lines += [f"Scores: {_scores(findings)}", f"Quality: {_quality(situation, findings)}"]
    lines += [f"Data: {sentence}" for sentence in findings.data_quality]
    lines += [f"Next: {decision.decision}", f"Report: {findings.report}"]
    lines.append(f"Overview: {findings.overview}")
    return "\n".join(lines)


def _column_lines(columns: Sequence[ColumnDrift]) -> list[str]:
    drifted = [column for column in columns if column.drifted]
    lines = [f"- {_column(column)}" for column in drifted[:MAX_COLUMNS]]
    if len(drifted) > MAX_COLUMNS:
        lines.append(f"- and {len(drifted) - MAX_COLUMNS} more")
    return lines


def _column(column: ColumnDrift) -> str:
    before, now = column.missing_reference, column.missing_current
    line = f"{column.column}: {_distance(column)}, {column.severity:.1f} x its limit"
    if abs(now - before) >= _MIN_MISSING_CHANGE:
        line += f"; missing {now:.1%}, before {before:.1%}"
    return line


def _distance(column: ColumnDrift) -> str:
    if column.method == "missing share":
        return f"missing share changed by {column.score:.2f}"
    unit = {"wasserstein": "sd", "psi": "PSI"}[column.method]
    return f"moved by {column.score:.2f} {unit}"


def _scores(findings: Findings) -> str:
    now, before = findings.estimate.default_rate, findings.mean_before
    if now is None:
        return "none"
    comparison = "" if before is None else f", {before:.1%} before"
    return f"mean default probability {now:.1%}{comparison}"


def _quality(situation: Situation, findings: Findings) -> str:
    if situation.degradation:
        return situation.degradation
    realised = findings.realised
    auc = realised.metrics.AUC if realised else None
    if realised and auc and auc.low is not None:
        return (
            f"realised AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}, "
            f"{realised.metrics.outcomes:,} matured outcomes through {realised.as_of})"
        )
    estimated = findings.estimate.AUC
    if estimated is None:
        return "no matured outcomes yet"
    return f"no matured outcomes yet; estimated AUC {estimated:.3f} if the scores are calibrated"
