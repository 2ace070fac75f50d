from datetime import date, timedelta

import polars as pl
import pytest

from loan_default.monitoring.decision.decide import drift_streak, trouble_since

FIRST = date(2026, 3, 1)
Day = tuple[bool | None, str | None]
QUIET, BAD, FEW = (False, "none"), (True, "warning"), (None, "none")


def past(*days: Day) -> pl.DataFrame:
    rows = [(FIRST + timedelta(days=n), *day) for n, day in enumerate(days)]
    schema = {"run_date": pl.Date, "drift": pl.Boolean, "severity": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.mark.parametrize(
    "days, count",
    [
        ([], 0),
        ([BAD, QUIET], 0),
        ([QUIET, BAD, BAD], 2),
        ([BAD, QUIET, BAD], 1),
        ([BAD, FEW, BAD, FEW], 2),
    ],
)
def test_drift_lasts_over_days_without_a_verdict(days: list[Day], count: int) -> None:
    assert len(drift_streak(past(*days))) == count


@pytest.mark.parametrize(
    "days, since",
    [
        ([], None),
        ([BAD, QUIET], None),
        ([QUIET, BAD, BAD], 1),
        ([QUIET, (False, "critical"), FEW, BAD], 1),
        ([(False, None), (None, "notice"), BAD], 1),
    ],
)
def test_trouble_begins_with_the_first_day_of_the_row(days: list[Day], since: int | None) -> None:
    expected = None if since is None else FIRST + timedelta(days=since)
    assert trouble_since(past(*days)) == expected
