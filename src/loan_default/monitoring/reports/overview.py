"""One page over all monitored days, `reports/index.html`: self-contained, to be read in a minute.

From the top: what holds today, how it came about in pictures, then the days and the promotions in
tables.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from loan_default import storage
from loan_default.monitoring.days import history
from loan_default.monitoring.reports import charts as overview_charts

MOST_DAYS, LISTED_DAYS = 90, 14
Row = Mapping[str, Any]

VERDICTS = {True: ("Drift", "bad"), False: ("No drift", "good"), None: ("No verdict", "plain")}


def write(root: str, realised: Row | None, share_threshold: float) -> str:
    """Write the page from the history under `root`; returns its path.

    `realised` are the figures of `realised.realised`, None before there are any outcomes.
    """
    path = storage.join(root, "reports", "index.html")
    text = page(history.read(root), realised, promotions(root), share_threshold)
    storage.write_text(path, text)
    return path


def promotions(root: str) -> list[Row]:
    """The events under ROOT/promotions, newest first."""
    files = storage.files_below(storage.join(root, "promotions"))
    events = [json.loads(storage.read_text(path)) for path in files if path.endswith(".json")]
    return sorted(events, key=lambda event: str(event["time"]), reverse=True)


def page(
    rows: pl.DataFrame, realised: Row | None, events: Sequence[Row], share_threshold: float
) -> str:
    """The page as HTML; `rows` is the history, at least one row."""
    shown = rows.tail(MOST_DAYS)
    today = shown.row(-1, named=True)
    return _PAGE.format(
        model=escape(today["model_name"] or ""),
        day=today["run_date"],
        cards="".join(_cards(today, realised)),
        charts="".join(_charts(shown, realised, share_threshold)),
        days=_days(shown.tail(LISTED_DAYS).reverse()),
        promotions=_promotions(events[:LISTED_DAYS]),
        span=f"{shown['run_date'][0]} to {today['run_date']}",
    )


def _cards(today: Row, realised: Row | None) -> list[str]:
    said, mood = VERDICTS[today["drift"]]
    columns = ", ".join((today["drifted_columns"] or [])[:3]) or "no column moved"
    found = today["findings"] or []
    rejected = f"{_count(today['rows_rejected'])} of {_count(today['rows_in'])} rows rejected"
    return [
        _card("Drift", said, f"{today['reason'] or ''}: {columns}", mood),
        *_quality_cards(today, realised),
        _card(
            "Data",
            "As usual" if not found else f"{len(found)} to look at",
            "; ".join([*found[:2], rejected]),
            "bad" if found else "good",
        ),
        _card("Model", f"Version {today['model_version']}", _scored(today), "plain"),
        _card("Decided", _outcome(today), today["decision"] or "", "plain"),
    ]


def _scored(today: Row) -> str:
    return (
        f"{_count(today['rows_scored'])} scored, mean probability "
        f"{_percent(today['mean_probability'])}, {_percent(today['declined_share'])} declined"
    )


def _quality_cards(today: Row, realised: Row | None) -> list[str]:
    if not realised or not realised["outcomes"]:
        waiting = "estimated from the scores: no matured outcome yet"
        auc, rate = today["estimated_AUC"], today["estimated_default_rate"]
        return [
            _card("AUC, estimated", _decimal(auc), waiting, "plain"),
            _card("Default rate, estimated", _percent(rate), waiting, "plain"),
        ]
    rate, said = realised["default_rate"], realised["mean_probability"]
    inside = rate["low"] <= said <= rate["high"]
    basis = f"{_count(realised['outcomes'])} matured outcomes through {realised['as_of']}"
    auc = realised["AUC"] or {"value": None, "low": None, "high": None}
    return [
        _card(
            "AUC, realised",
            _decimal(auc["value"]),
            f"{_decimal(auc['low'])} to {_decimal(auc['high'])}; {basis}",
            "plain",
        ),
        _card(
            "Default rate, realised",
            _percent(rate["value"]),
            f"predicted {_percent(said)}; 95 % interval {_percent(rate['low'])} to "
            f"{_percent(rate['high'])}",
            "good" if inside else "bad",
        ),
    ]


def _charts(rows: pl.DataFrame, realised: Row | None, threshold: float) -> list[str]:
    charts = overview_charts
    found = [
        _chart("Share of columns that drifted", charts.drift_share(rows, threshold)),
        _chart("Predicted default probability", charts.scores(rows)),
    ]
    if realised and realised["outcomes"]:
        months, bands = realised["by_month"], realised["by_band"]
        found += [
            _chart("AUC by cohort month", charts.auc_by_month(months)),
            _chart("Default rate by cohort month", charts.calibration_by_month(months)),
            _chart("Default rate by score band", charts.calibration_by_band(bands)),
        ]
    else:
        found.append(_chart("AUC, estimated from the scores", charts.estimated_auc(rows)))
    return [*found, _chart("Rejected rows", charts.rejected(rows))]


def _days(rows: pl.DataFrame) -> str:
    cells = []
    for row in rows.iter_rows(named=True):
        said, mood = VERDICTS[row["drift"]]
        link = f'<a href="run_date={row["run_date"]}/drift_report.html">{row["run_date"]}</a>'
        verdict = f'<b class="{mood}">{said}</b>'
        columns = escape(", ".join((row["drifted_columns"] or [])[:3]))
        decision = escape(row["decision"] or "")
        cells.append([link, verdict, columns, f"v{escape(row['model_version'] or '')}", decision])
    return _table(("day", "verdict", "worst columns", "model", "decided"), cells)


def _promotions(events: Sequence[Row]) -> str:
    if not events:
        return "<p>None yet.</p>"
    cells = []
    for event in events:
        names = ("event", "model_version", "triggered_by")
        what, version, who = (escape(str(event.get(name, ""))) for name in names)
        forced = ", forced" if event.get("forced") else ""
        cells.append([str(event["time"])[:10], what + forced, f"v{version}", who])
    return _table(("day", "event", "model", "by"), cells)


def _card(title: str, value: str, more: str, mood: str) -> str:
    return (
        f'<article class="{mood}"><h2>{escape(title)}</h2><strong>{escape(value)}</strong>'
        f"<p>{escape(more)}</p></article>"
    )


def _chart(title: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _outcome(today: Row) -> str:
    if today["retrain"]:
        return "Retraining"
    return "Alert" if today["alert"] else "Nothing"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _decimal(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{model}: monitoring {day}</title>
<style>
:root {{ color-scheme: light; font: 16px/1.45 system-ui, sans-serif; color: #1f2933; }}
body {{ max-width: 76rem; margin: 0 auto; padding: 1rem; background: #f5f7fa; }}
h1 {{ font-size: 1.4rem; margin: .3rem 0 1rem; }}
h1 span, a {{ white-space: nowrap; }}
h1 small {{ display: block; font-size: .9rem; font-weight: 400; color: #616e7c; }}
section {{ display: grid; gap: .8rem; margin-bottom: 1.2rem; }}
.cards {{ grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); }}
.charts {{ grid-template-columns: repeat(auto-fit, minmax(min(21rem, 100%), 1fr)); }}
article, figure, .box {{ background: white; border-radius: .5rem; padding: .7rem .9rem; margin: 0;
  box-shadow: 0 1px 2px #0002; min-width: 0; }}
article {{ border-left: .3rem solid #9aa5b1; }}
article.good {{ border-color: #2f855a; }} article.bad {{ border-color: #c8511b; }}
h2, figcaption {{ font-size: .85rem; font-weight: 600; margin: 0; color: #52606d; }}
article strong {{ font-size: 1.35rem; line-height: 1.3; }}
article p {{ font-size: .85rem; margin: .1rem 0 0; color: #52606d; overflow-wrap: anywhere; }}
b.good {{ color: #276749; }} b.bad {{ color: #a93f10; }} b.plain {{ color: #52606d; }}
svg {{ display: block; width: 100%; height: auto; }}
svg text {{ font-family: system-ui, sans-serif !important; }}
table {{ border-collapse: collapse; width: 100%; font-size: .85rem; }}
th {{ text-align: left; color: #52606d; }}
th, td {{ padding: .3rem .6rem .3rem 0; vertical-align: top; border-bottom: 1px solid #e4e7eb; }}
a {{ color: #1f5fa8; }}
@media (max-width: 40rem) {{
  .cards {{ grid-template-columns: 1fr 1fr; }}
  thead {{ display: none; }}
  tr {{ display: block; border-bottom: 1px solid #cbd2d9; padding: .4rem 0; }}
  td {{ display: inline; border: 0; padding: 0 .5rem 0 0; overflow-wrap: anywhere; }}
}}
</style>
<h1>{model}, <span>{day}</span>
<small>Monitoring of {span}. Days in the table link to Evidently's reports.</small></h1>
<section class="cards">{cards}</section>
<section class="charts">{charts}</section>
<section>
<div class="box"><h2>Days</h2>{days}</div>
<div class="box"><h2>Promotions and rollbacks</h2>{promotions}</div>
</section>
</html>
"""
