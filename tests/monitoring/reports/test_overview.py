import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

import monitored_day
from loan_default.metrics.intervals import Metric
from loan_default.monitoring.days import history
from loan_default.monitoring.performance.realised_metrics import (
    BandMetrics,
    GroupMetrics,
    MonthMetrics,
)
from loan_default.monitoring.reports import overview
from monitored_day import GROUP

FIRST = date(2026, 3, 1)
REALISED = replace(
    monitored_day.REALISED,
    by_month=[
        MonthMetrics("2022-12", 1_000, GROUP),
        MonthMetrics("2023-01", 1_000, replace(GROUP, AUC=None)),
    ],
    by_band=[
        BandMetrics(0.0, 0.5, GROUP),
        BandMetrics(0.5, 1.0, replace(GROUP, outcomes=2, mean_probability=0.9)),
    ],
)
ATTACK = """</script><script>alert("x")</script><img src=x onerror='alert(1)'>"""


def row(number: int, **more: Any) -> dict[str, Any]:
    given = {
        "run_date": FIRST + timedelta(days=number),
        "model_name": "loans <b>",
        "model_version": "1",
        "drift": number % 2 == 0,
        "drift_share": 0.1 * number,
        "reference_drift_share": 0.2,
        "drifted_columns": ["annual_inc", "dti"] if number % 2 == 0 else [],
        "reason": "2 of 9 columns drifted",
        "decision": f"no retraining: reason {number}",
        "rows_in": 1_000 + number,
        "rows_rejected": 7,
        "rejected_share": 0.007,
        "estimated_AUC": 0.71,
        "estimated_default_rate": 0.15,
        "findings": [],
        **{name: quantile for name, quantile in history.QUANTILES.items()},
    }
    return given | more


def whole_row(number: int) -> dict[str, Any]:
    return dict.fromkeys(history.SCHEMA) | row(number)


def rows(*given: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [{name: each.get(name) for name in history.SCHEMA} for each in given],
        schema=history.SCHEMA,
    )


def page(*given: dict[str, Any], realised: Any = REALISED, events: Any = ()) -> str:
    return overview.page(rows(*given), realised, events, 0.3)


def pictures(text: str) -> list[str]:
    found = re.findall(r"<figcaption>(.*?)</figcaption>(<svg.*?</svg>)", text, re.DOTALL)
    for _, svg in found:
        ElementTree.fromstring(svg)
    return [title for title, _ in found]


def test_the_page_says_what_holds_today() -> None:
    text = page(row(0), row(1), row(2))
    for said in (
        "2 of 9 columns drifted: annual_inc, dti",
        "<strong>0.700</strong><p>0.600 to 0.800; 900 matured outcomes through 2026-02",
        "predicted 20.0%; 95% interval 12.0% to 16.0%",
        "7 of 1,002 rows rejected",
        "no retraining: reason 2",
        "2026-03-01 to 2026-03-03",
    ):
        assert said in text, said
    assert text.index("2026-03-03/drift") < text.index("2026-03-01/drift"), "newest day first"


@pytest.mark.parametrize(
    "called, said",
    [
        ({"alert": True, "retrain": True}, "Retraining"),
        ({"alert": True, "retrain": False}, "Alert"),
        ({"alert": False, "retrain": False}, "Nothing"),
    ],
)
def test_what_was_decided_is_one_word_with_its_reason(called: dict[str, bool], said: str) -> None:
    assert f"Decision</h2><strong>{said}</strong><p>no retraining: reason 0" in page(
        row(0, **called)
    )


def test_nothing_is_fetched_and_nothing_is_markup() -> None:
    text = page(row(0, decision="<script>alert(1)</script>", findings=["a < b"]))
    assert "<script" not in text and "loans &lt;b&gt;" in text and "a &lt; b" in text
    page_itself = re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)
    assert "http" not in page_itself and "url(" not in page_itself and "src=" not in text
    links = re.findall(r'href="([^"#]*)"', text)
    assert set(links) == {"run_date=2026-03-01/drift_report.html"}


class Elements(HTMLParser):
    """The names of a page's elements, and those of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_no_name_or_value_becomes_markup() -> None:
    """Column names, categories, models, versions and people's names, all hostile."""
    hostile = row(1, **dict.fromkeys(("model_name", "reason", "decision"), ATTACK)) | {
        "model_version": '"</script><b>',
        "drift": True,
        "drifted_columns": [ATTACK],
        "findings": [f"purpose has new categories: {ATTACK}"],
    }
    names = ("time", "event", "model_version", "triggered_by")
    realised = replace(REALISED, as_of=ATTACK)
    harmless = Elements(page(row(0), row(2), events=[dict.fromkeys(names, "x")]))
    text = page(row(0), hostile, realised=realised, events=[dict.fromkeys(names, ATTACK)])
    found = Elements(text)
    assert text.count("&lt;/script&gt;") >= 10
    assert found.names == harmless.names and found.attributes == harmless.attributes
    assert "script" not in found.names and "img" not in found.names


@pytest.mark.parametrize("number", [1, 2, 40, 120])
def test_there_is_a_picture_of_each_trend(number: int) -> None:
    found = pictures(page(*map(row, range(number))))
    assert found == [
        "Share of columns that drifted",
        "Predicted default probability",
        "AUC by cohort month",
        "Default rate by cohort month",
        "Default rate by score band",
        "Rejected rows",
    ]


@pytest.mark.parametrize("realised", [None, replace(REALISED, metrics=GroupMetrics(0, 0))])
def test_before_outcomes_the_estimate_is_shown_as_one(realised: Any) -> None:
    text = page(row(0), row(1), realised=realised)
    assert "AUC, estimated</h2><strong>0.710" in text and "AUC, realised" not in text
    assert "no matured outcome yet" in text
    assert "AUC, estimated from the scores" in pictures(text)


def test_a_prediction_outside_the_interval_is_marked_and_one_inside_is_not() -> None:
    titled = '<article class="{}"><h2>Default rate, realised'.format
    assert titled("bad") in page(row(0))
    assert titled("good") in page(
        row(0), realised=replace(REALISED, metrics=replace(GROUP, mean_probability=0.15))
    )


def test_figures_that_are_not_known_are_said_to_be_unknown() -> None:
    bare = {"run_date": FIRST, "drift": None}
    one_outcome = replace(GROUP, AUC=Metric(1.0))
    months = [MonthMetrics("2022-01", 1, one_outcome)]
    realised = replace(REALISED, metrics=replace(GROUP, AUC=None), by_month=months)
    text = page(bare, realised=realised)
    assert "No verdict" in text and "unknown" in text and "None yet." in text
    assert len(pictures(text)) == 6


def test_a_new_version_is_drawn_where_it_takes_over() -> None:
    text = page(*map(row, range(4)), row(4, model_version="2"), row(5, model_version="2"))
    assert len(re.findall(r">v2</text>|<!-- v2 -->", text)) >= 1
    assert "v2" not in re.sub(r"<table.*", "", page(row(0)), flags=re.DOTALL)


def test_promotions_are_listed_newest_first(tmp_path: Path) -> None:
    for time, version in (("2026-03-01T10:00", "1"), ("2026-03-02T10:00", "2")):
        event = f'{{"time": "{time}", "event": "promotion", "model_version": "{version}"}}'
        path = tmp_path / "promotions" / f"{time}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(event)
    history.add(str(tmp_path), whole_row(0))
    path = overview.write(str(tmp_path), None, 0.3)
    text = Path(path).read_text()
    assert 0 < text.index("2026-03-02</td><td>promotion") < text.index("2026-03-01</td><td>prom")


def test_the_same_history_gives_the_same_page(tmp_path: Path) -> None:
    history.add(str(tmp_path), whole_row(0))
    pages = [Path(overview.write(str(tmp_path), REALISED, 0.3)).read_text() for _ in range(2)]
    assert pages[0] == pages[1]
