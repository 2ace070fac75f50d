"""Dates that a conversion of time zones has moved are told from dates as they are."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from loan_default.plausibility import instants
from loan_default.plausibility.finding import Code, Severity

FIRSTS = [datetime(2010 + n // 12, n % 12 + 1, 1) for n in range(60)]


def suspect(dates: list[datetime], form: str = "%Y-%m-%d %H:%M:%S"):
    texts = pl.Series("issue_d", [f"{date:{form}}" for date in dates])
    return instants.suspect("issue_d", texts, len(dates))


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Asia/Tokyo", "Pacific/Auckland", "Asia/Kolkata"]
)
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%F %T.000000000"])
def test_firsts_of_months_of_the_east_in_utc_are_refused(zone: str, form: str) -> None:
    utc = [date.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for date in FIRSTS]
    finding = suspect(utc, form)
    assert finding and (finding.code, finding.severity) == (Code.TIME_ZONE, Severity.REFUSED)
    assert finding.rows == 60 and finding.share == 1 and "write local dates" in finding.message


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Honolulu"])
def test_those_of_the_west_stay_in_their_month(zone: str) -> None:
    assert suspect([d.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for d in FIRSTS]) is None


def test_few_instants_are_a_warning() -> None:
    late = [date - timedelta(hours=1) for date in FIRSTS]
    assert suspect(late[:19]).severity == Severity.WARNING
    assert suspect(late[:2]) is None


def test_last_days_without_a_time_are_a_warning() -> None:
    ends = [date.replace(day=monthrange(date.year, date.month)[1]) for date in FIRSTS]
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"):
        finding = suspect(ends, form)
        assert finding.severity == Severity.WARNING and "last days of months" in finding.message


def test_dates_all_over_the_month_are_none() -> None:
    assert suspect([datetime(2010, 1, 1) + timedelta(hours=7 * n) for n in range(900)]) is None
    assert suspect(FIRSTS, "%b-%Y") is None
    assert suspect([]) is None
