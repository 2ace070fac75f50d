import json
import math
import socket
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.columns import PROBABILITY
from loan_default.errors import InputError
from loan_default.monitoring.drift.evidently_report import compare
from loan_default.monitoring.drift.verdict import Thresholds

THRESHOLDS = Thresholds(wasserstein=0.1, psi=0.2, missing=0.1, share=0.3, min_rows=500)
PURPOSES = ["debt_consolidation", "credit_card", "car", "medical", "wedding"]


def loans(rows, seed):
    """Scored applications from one distribution: skewed dollars, rare counts, nulls, categories."""
    random = np.random.default_rng(seed)
    record = random.random(rows) < 0.15
    return pl.DataFrame(
        {
            "annual_inc": random.lognormal(11, 0.55, rows).round(),
            "int_rate": random.normal(13, 3.7, rows),
            "dti": np.where(random.random(rows) < 5e-4, 999, random.uniform(0, 35, rows)),
            "term": random.choice([36.0, 60.0], rows, p=[0.75, 0.25]),
            "acc_now_delinq": random.poisson(0.003, rows).astype(float),
            "revol_bal": random.lognormal(9, 1, rows) * (random.random(rows) < 0.9),
            "mths_since_last_record": np.where(record, random.integers(1, 120, rows), np.nan),
            "grade": random.choice(list("ABCDEFG"), rows, p=[0.2, 0.3, 0.2, 0.15, 0.1, 0.04, 0.01]),
            "purpose": random.choice(PURPOSES, rows, p=[0.6, 0.25, 0.1, 0.04, 0.01]),
            "default_probability": random.beta(2, 10, rows),
        }
    )


def with_chance(share, value, name, seed=0):
    """`value` in that share of the rows of column `name`."""
    mask = pl.int_range(pl.len()).shuffle(seed) < share * pl.len()
    return pl.when(mask).then(value).otherwise(pl.col(name)).alias(name)


PLANTED = {
    "annual_inc": pl.col("annual_inc") / 1_000,
    "int_rate": pl.col("int_rate") + 3,
    "dti": with_chance(0.6, pl.lit(None), "dti"),
    "purpose": with_chance(0.2, pl.lit("cryptocurrency"), "purpose"),
    "revol_bal": pl.col("revol_bal") + 8_000,
    "default_probability": pl.col("default_probability") * 1.5,
}


@pytest.fixture(scope="module")
def reference():
    return loans(5_000, 1_000)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", PLANTED)
def test_planted_drift_is_named_first(reference, name, seed):
    found = compare(reference, loans(2_000, seed).with_columns(PLANTED[name]), CONTRACT, THRESHOLDS)
    assert found.verdict.drifted_columns == [name]
    assert found.columns[0].column == name and found.columns[0].severity > 2
    assert found.verdict.drift is (name == PROBABILITY)


@pytest.mark.parametrize("rows", [500, 3_000])
def test_the_same_distribution_does_not_drift(reference, rows):
    found = [
        compare(reference, loans(rows, seed), CONTRACT, THRESHOLDS).verdict for seed in range(40)
    ]
    assert not any(verdict.drift for verdict in found)
    assert sum(bool(verdict.drifted_columns) for verdict in found) <= 1


def test_a_column_may_have_a_threshold_of_its_own(reference):
    moved = [PLANTED[name] for name in ("int_rate", "purpose", "dti")]
    current = loans(2_000, 0).with_columns(moved)
    own = {"int_rate": 2.0, "purpose": 9.0, "dti:missing": 0.7}
    found = compare(reference, current, CONTRACT, replace(THRESHOLDS, by_column=own))
    assert found.verdict.drifted_columns == []
    assert {c.column: c.threshold for c in found.columns}.items() >= {"int_rate": 2.0}.items()
    strict = replace(THRESHOLDS, by_column={"term": 0.9, "dti:missing": 0.55})
    assert set(compare(reference, current, CONTRACT, strict).verdict.drifted_columns) == {
        "int_rate",
        "purpose",
        "dti",
    }


def test_the_other_comparison_is_in_both_reports(reference, tmp_path):
    current = loans(1_000, 0).with_columns(PLANTED["annual_inc"])
    beside = compare(reference, current, CONTRACT, THRESHOLDS, "the reference sample of version 1")
    recent = loans(2_000, 7).with_columns(PLANTED["annual_inc"])
    found = compare(recent, current, CONTRACT, THRESHOLDS, "the 4 scored days", beside)
    assert found.verdict.drifted_columns == []
    found.save_json(tmp_path / "drift.json")
    report = json.loads((tmp_path / "drift.json").read_text())
    assert report["against"] == "the 4 scored days"
    assert report["beside"]["verdict"]["drifted_columns"] == ["annual_inc"]
    found.save_html(tmp_path / "drift.html")
    page = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "No drift against the 4 scored days: 0 of 10" in page
    assert "No drift against the reference sample of version 1: 1 of 10" in page


def test_many_moved_columns_make_the_run_drift(reference):
    moved = [PLANTED[name] for name in ("annual_inc", "dti", "purpose")]
    verdict = compare(reference, loans(2_000, 0).with_columns(moved), CONTRACT, THRESHOLDS).verdict
    assert (verdict.drift, verdict.drift_share) == (True, 0.3)
    assert verdict.drifted_columns == ["annual_inc", "purpose", "dti"]


def test_an_outlier_does_not_fake_drift(reference):
    current = loans(1_000, 0).with_columns(with_chance(0.001, pl.lit(1.1e8), "annual_inc"))
    assert current["annual_inc"].max() == 1.1e8
    assert compare(reference, current, CONTRACT, THRESHOLDS).verdict.drifted_columns == []


def test_an_outlier_does_not_hide_drift(reference):
    spoilt = reference.with_columns(with_chance(0.0002, pl.lit(1.1e8), "annual_inc"))
    assert spoilt["annual_inc"].max() == 1.1e8
    current = loans(1_000, 0).with_columns(PLANTED["annual_inc"])
    assert compare(spoilt, current, CONTRACT, THRESHOLDS).verdict.drifted_columns == ["annual_inc"]


def test_too_few_rows_give_scores_but_no_verdict(reference):
    found = compare(
        reference, loans(499, 0).with_columns(PLANTED["annual_inc"]), CONTRACT, THRESHOLDS
    )
    assert found.verdict.drift is None
    assert found.verdict.drifted_columns == ["annual_inc"]
    assert len(found.columns) == 10


def test_a_column_that_is_gone_is_a_breach_and_one_that_nobody_has_is_not_compared(reference):
    empty = pl.lit(None, pl.Float64)
    found = compare(
        reference.with_columns(term=empty),
        loans(1_000, 0).with_columns(term=empty, dti=empty),
        CONTRACT,
        THRESHOLDS,
    )
    assert found.verdict.drifted_columns == ["dti"] and found.verdict.compared == 9
    assert found.columns[0].method == "missing share"
    assert (found.columns[0].score, found.columns[0].missing_current) == (1.0, 1.0)


def test_of_two_breaches_the_worse_stands_for_the_column(reference):
    moved = [with_chance(0.2, pl.lit(None), "annual_inc")]
    current = loans(2_000, 0).with_columns(PLANTED["annual_inc"]).with_columns(moved)
    worst = compare(reference, current, CONTRACT, THRESHOLDS).columns[0]
    assert (worst.column, worst.method) == ("annual_inc", "wasserstein")
    assert worst.missing_current == 0.2


def test_a_constant_drifts_when_many_rows_leave_it(reference):
    constant = reference.with_columns(term=pl.lit(36.0))
    few, many = (with_chance(share, pl.lit(60.0), "term") for share in (0.01, 0.3))
    current = loans(2_000, 0).with_columns(term=pl.lit(36.0))
    for moved, names in [(few, []), (many, ["term"])]:
        found = compare(constant, current.with_columns(moved), CONTRACT, THRESHOLDS)
        assert found.verdict.drifted_columns == names


def test_nothing_to_compare_is_said():
    with pytest.raises(InputError, match="no rows"):
        compare(loans(600, 0), loans(600, 0).clear(), CONTRACT, THRESHOLDS)
    with pytest.raises(InputError, match="share no known column"):
        compare(loans(600, 0), pl.DataFrame({"id": ["a"]}), CONTRACT, THRESHOLDS)


@pytest.fixture(scope="module")
def drifted(reference):
    """A comparison with every method, an empty column and a constant one in it."""
    moved = [PLANTED[name] for name in ("annual_inc", "purpose")]
    current = loans(1_000, 0).with_columns(*moved, mths_since_last_record=pl.lit(None, pl.Float64))
    return compare(reference.with_columns(term=pl.lit(36.0)), current, CONTRACT, THRESHOLDS)


@pytest.fixture(scope="module")
def html(drifted, tmp_path_factory):
    def refuse(*_):
        raise AssertionError("a report must not use the network")

    path = tmp_path_factory.mktemp("report") / "drift.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        drifted.save_html(path)
    return path.read_text(encoding="utf-8")


def test_the_page_says_the_verdict_and_needs_nothing_else(html):
    assert "Drift against the reference: 4 of 10 columns drifted; a run drifts at 30%" in html
    assert "Drift is detected for 40.0% of columns (4 out of 10)." in html
    assert "mths_since_last_record (missing)" in html and "Change of the missing share" in html
    assert 'src="http' not in html and 'rel="stylesheet" href="http' not in html


def test_the_report_agrees_with_the_verdict(drifted, tmp_path):
    drifted.save_json(tmp_path / "drift.json", {"run_date": "2026-11-01", "mean": math.nan})
    report = json.loads((tmp_path / "drift.json").read_text(), parse_constant=pytest.fail)
    assert (report["run_date"], report["mean"]) == ("2026-11-01", None)
    assert report["verdict"]["drift"] is True
    assert report["verdict"]["drifted_columns"][0] == "annual_inc"
    assert [row["column"] for row in report["columns"]] == [row.column for row in drifted.columns]
    metrics = report["evidently"]["metrics"]
    count = next(item for item in metrics if item["metric_name"].startswith("DriftedColumnsCount"))
    assert count["value"] == {"count": 4, "share": report["verdict"]["drift_share"]}
    values = [item for item in metrics if item["metric_name"].startswith("ValueDrift")]
    assert [item["value"] for item in values] == pytest.approx([c.score for c in drifted.columns])
    assert [item["config"]["threshold"] for item in values] == [
        row.threshold for row in drifted.columns
    ]


def test_a_category_cannot_run_a_script_in_the_page(reference, html, tmp_path):
    attack = "</script><script>alert(1)</script>\n<img src=x onerror=alert(1)>"
    hostile = loans(1_000, 0).with_columns(with_chance(0.5, pl.lit(attack), "purpose"))
    compare(reference, hostile, CONTRACT, THRESHOLDS).save_html(tmp_path / "drift.html")
    page = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert page.count("<script") == html.count("<script") and "<img src=x" not in page
    assert r"\u003c/script>\u003cscript>alert(1)" in page, "the category itself is in the report"


def test_one_row_makes_a_report_too(reference, tmp_path):
    few = compare(reference.select("term", "grade"), loans(1, 0), CONTRACT, THRESHOLDS)
    few.save_html(tmp_path / "drift.html")
    page = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "No verdict against the reference: too few rows: 1, at least 500 are needed" in page
