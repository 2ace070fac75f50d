"""The message of a monitored day: what moved, how far, since when, what it does to the scores, and
what happens next. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from loan_default.monitoring.decision.policy import Decision, Situation
from loan_default.monitoring.drift.verdict import ColumnDrift

MOST_COLUMNS = 5
_UNITS = {"wasserstein": " sd", "psi": " PSI", "missing share": " of the rows missing"}


def subject(decision: Decision, situation: Situation) -> str:
    """One line: what, when, how severe, the worst columns."""
    named = ", ".join(situation.columns[:2])
    what = decision.because.capitalize()
    more = f": {named}" if named and decision.because == "drift" else ""
    return f"{what} on {situation.run_date} ({decision.severity}){more}"


def text(
    decision: Decision,
    situation: Situation,
    columns: Sequence[ColumnDrift],
    against: str,
    mean_before: float | None,
    found: Mapping[str, Any],
) -> str:
    """The whole message; `found` is what the JSON line holds, `columns` are worst first."""
    drifted = [column for column in columns if column.drifted]
    lines = [f"{found['reason']} (against {against})"]
    lines += [f"- {_moved(column)}" for column in drifted[:MOST_COLUMNS]]
    if len(drifted) > MOST_COLUMNS:
        lines.append(f"- and {len(drifted) - MOST_COLUMNS} more")
    if situation.drift and situation.drift_days > 1:
        lines.append(f"Since: {situation.drift_since}, {situation.drift_days} scored days in a row")
    elif situation.drift:
        lines.append("Since: this day")
    lines += [f"Scores: {_scores(found, mean_before)}", f"Quality: {_quality(situation, found)}"]
    lines += [f"Data: {finding}" for finding in found["findings"]]
    lines += [f"Next: {decision.decision}", f"Report: {_link(found)}"]
    lines.append(f"Overview: {found['overview']}")
    return "\n".join(lines)


def _moved(column: ColumnDrift) -> str:
    unit = _UNITS[column.method]
    said = f"{column.column}: moved by {column.score:.2f}{unit}, {column.severity:.1f} x its limit"
    before, now = column.missing_reference, column.missing_current
    if abs(now - before) >= 0.005:
        said += f"; missing {now:.1%}, before {before:.1%}"
    return said


def _scores(found: Mapping[str, Any], mean_before: float | None) -> str:
    now = found["estimate"]["default_rate"]
    if now is None:
        return "none"
    before = "" if mean_before is None else f", {mean_before:.1%} before"
    return f"mean default probability {now:.1%}{before}"


def _quality(situation: Situation, found: Mapping[str, Any]) -> str:
    if situation.loss:
        return situation.loss
    realised = found["realised"]
    auc = realised and realised["AUC"]
    if auc and auc["low"] is not None:
        return (
            f"realised AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}, "
            f"{realised['outcomes']:,} matured outcomes through {realised['as_of']})"
        )
    estimated = found["estimate"]["AUC"]
    return (
        "no matured outcomes yet"
        if estimated is None
        else f"no matured outcomes yet; estimated AUC {estimated:.3f} if the scores are calibrated"
    )


def _link(found: Mapping[str, Any]) -> str:
    """Evidently's UI where the report is there, else the page itself."""
    ui = found["evidently_ui"] or {}
    return str(ui.get("url") or found["report_html"])
