import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from loan_default.monitoring.days import history
from loan_default.monitoring.reports import overview

FIRST = date(2026, 3, 1)
FIGURE = {"value": 0.7, "low": 0.6, "high": 0.8}
RATE = {"value": 0.14, "low": 0.12, "high": 0.16}
GROUP = {"outcomes": 900, "mean_probability": 0.2, "AUC": FIGURE, "default_rate": RATE}
REALISED: dict[str, Any] = {
    **GROUP,
    "as_of": "2026-02",
    "by_month": [GROUP | {"month": "2022-12"}, GROUP | {"month": "2023-01", "AUC": None}],
    "by_band": [GROUP | {"from": 0, "to": 0.5}, GROUP | {"outcomes": 2, "mean_probability": 0.9}],
}
ONE_LEFT = GROUP | {"AUC": {"value": 1.0, "low": None, "high": None}}


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
        "predicted 20.0%; 95 % interval 12.0% to 16.0%",
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
    assert f"Decided</h2><strong>{said}</strong><p>no retraining: reason 0" in page(
        row(0, **called)
    )


def test_nothing_is_fetched_and_nothing_is_markup() -> None:
    text = page(row(0, decision="<script>alert(1)</script>", findings=["a < b"]))
    assert "<script" not in text and "loans &lt;b&gt;" in text and "a &lt; b" in text
    page_itself = re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)
    assert "http" not in page_itself and "url(" not in page_itself and "src=" not in text
    links = re.findall(r'href="([^"#]*)"', text)
    assert set(links) == {"run_date=2026-03-01/drift_report.html"}


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


@pytest.mark.parametrize("realised", [None, REALISED | {"outcomes": 0}])
def test_before_outcomes_the_estimate_is_shown_as_one(realised: Any) -> None:
    text = page(row(0), row(1), realised=realised)
    assert "AUC, estimated</h2><strong>0.710" in text and "AUC, realised" not in text
    assert "no matured outcome yet" in text
    assert "AUC, estimated from the scores" in pictures(text)


def test_a_prediction_outside_the_interval_is_marked_and_one_inside_is_not() -> None:
    titled = '<article class="{}"><h2>Default rate, realised'.format
    assert titled("bad") in page(row(0))
    assert titled("good") in page(row(0), realised=REALISED | {"mean_probability": 0.15})


def test_figures_that_are_not_known_are_said_to_be_unknown() -> None:
    bare = {"run_date": FIRST, "drift": None}
    text = page(
        bare, realised=REALISED | {"AUC": None, "by_month": [ONE_LEFT | {"month": "2022-01"}]}
    )
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
    history.keep(str(tmp_path), row(0))
    path = overview.write(str(tmp_path), None, 0.3)
    text = Path(path).read_text()
    assert 0 < text.index("2026-03-02</td><td>promotion") < text.index("2026-03-01</td><td>prom")


def test_the_same_history_gives_the_same_page(tmp_path: Path) -> None:
    history.keep(str(tmp_path), row(0))
    pages = [Path(overview.write(str(tmp_path), REALISED, 0.3)).read_text() for _ in range(2)]
    assert pages[0] == pages[1]
