"""Dates that a conversion of time zones has moved into the month before.

A first of the month at midnight, written as an instant of UTC from a time zone east of it, is the
evening of the last day of the month before: every month is one too early.
"""

import re
from calendar import monthrange
from datetime import datetime, timedelta

import polars as pl

from loan_default.plausibility.finding import Code, Finding, Severity

# Time zones are up to 14 hours ahead of UTC
_HOURS = 14
_SHARE = 0.95
MIN_ROWS_TO_REFUSE, MIN_ROWS = 20, 3
_FORM = re.compile(r"\s*(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}))?")


def suspect(name: str, texts: pl.Series, rows: int) -> Finding | None:
    """Return a finding if the dates of a column seem to have been moved into the month before.

    Args:
        name: the source column.
        texts: a sample of its dates as texts.
        rows: the filled rows of the whole file.
    """
    counts = texts.drop_nulls().value_counts(name="rows")
    total = int(counts["rows"].sum())
    if total < MIN_ROWS:
        return None
    by_text = sorted(zip(counts[texts.name], counts["rows"], strict=True))
    times = {text: _parsed(text) for text, _ in by_text}
    late = [(text, n) for text, n in by_text if (at := times[text]) and _is_just_before(at)]
    with_time = any((at := times[text]) and at.time() != at.min.time() for text, _ in late)
    share = sum(n for _, n in late) / total
    if share < _SHARE:
        return None
    example = late[0][0]
    if with_time:
        severity = Severity.REFUSED if total >= MIN_ROWS_TO_REFUSE else Severity.WARNING
        message = (
            f"{name} holds instants just before the end of a month, such as {example!r}: a "
            "conversion to UTC has moved every date into the month before; write local dates, "
            "such as 2011-12-01"
        )
    else:
        severity = Severity.WARNING
        message = (
            f"{name} holds last days of months only, such as {example!r}, read as these months: "
            "if they were first days, a conversion of time zones has moved them; write local dates"
        )
    return Finding(Code.TIME_ZONE, severity, message, name, round(share * rows), share, example)


def _parsed(text: str) -> datetime | None:
    match = _FORM.match(text)
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00'}") if match else None
    except ValueError:
        return None


def _is_just_before(at: datetime) -> bool:
    """Return whether an instant, or a day at midnight, is just before the end of its month."""
    if at.time() == at.min.time():
        return at.day == monthrange(at.year, at.month)[1]
    return (at + timedelta(hours=_HOURS)).month != at.month
