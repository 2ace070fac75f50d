"""Columns in another unit are suspected; the same loans in the right one are not."""

import numpy as np
import pytest
from scipy.stats import binomtest

from lendingclub import BY_NAME, CONTRACT
from loan_default.contract.contract import Column
from loan_default.plausibility import units
from loan_default.plausibility.finding import Code, Severity

USUAL = {column.name: column.usual for column in CONTRACT.record if column.usual}
# Median and spread (of the logarithm) of values that lie well inside the usual span
NATURAL = {"int_rate": (12.5, 0.3), "dti": (14, 0.6), "annual_inc": (60_000, 0.5)}
NATURAL |= {"revol_bal": (9_000, 1.2), "installment": (300, 0.6), "revol_util": (45, 0.6)}


def values(name: str, rows: int) -> np.ndarray:
    median, spread = NATURAL[name]
    return median * np.exp(np.random.default_rng(rows).normal(0, spread, rows))


def suspect(name: str, cells: np.ndarray, rows: int = 1_000):
    return units.suspect(BY_NAME[name], cells, USUAL[name], rows)


@pytest.mark.parametrize("rows", [3, 20, 300, 3_000])
@pytest.mark.parametrize("name", NATURAL)
def test_values_in_the_right_unit_are_not_suspected(name: str, rows: int) -> None:
    assert suspect(name, values(name, rows)) is None


@pytest.mark.parametrize(
    ("name", "factor", "unit"),
    [
        ("int_rate", 0.01, "fractions instead of percent"),
        ("dti", 0.01, "fractions instead of percent"),
        ("dti", 100, "hundredths of a percent"),
        ("revol_util", 0.01, "fractions instead of percent"),
        ("annual_inc", 1 / 12, "monthly amounts"),
        ("annual_inc", 1 / 52, "weekly amounts"),
        ("annual_inc", 0.001, "thousands"),
        ("annual_inc", 100, "cents"),
        ("revol_bal", 0.001, "thousands"),
        ("installment", 12, "yearly amounts"),
    ],
)
def test_another_unit_is_refused_by_column_unit_and_remedy(name, factor, unit) -> None:
    finding = suspect(name, values(name, 300) * factor)
    assert finding and (finding.code, finding.severity) == (Code.UNIT, Severity.REFUSED)
    assert finding.column == name and f"{name} looks like {unit} in " in finding.message
    assert f"multiply by {1 / factor:.4g}" in finding.message
    assert finding.share and finding.rows == round(finding.share * 1_000)
    assert finding.example and finding.example in finding.message


def test_few_rows_are_warned_about_and_not_refused() -> None:
    for rows, expected in ((2, None), (3, Severity.WARNING), (19, Severity.WARNING)):
        finding = suspect("dti", np.full(rows, 0.14))
        assert (finding and finding.severity) == expected
    assert suspect("dti", np.full(20, 0.14)).severity == Severity.REFUSED


def test_a_column_of_two_units_is_suspected_too() -> None:
    cells = values("dti", 1_000)
    cells[:60] /= 100
    assert suspect("dti", cells).severity == Severity.NOTE
    cells[60:200] /= 100
    finding = suspect("dti", cells)
    assert finding.severity == Severity.WARNING and finding.share == pytest.approx(0.2, abs=0.02)
    cells[:600] = values("dti", 600) / 100
    assert suspect("dti", cells).severity == Severity.REFUSED


def test_zeros_say_nothing_about_a_unit() -> None:
    assert suspect("dti", np.zeros(100)) is None
    finding = suspect("dti", np.concatenate([np.zeros(500), np.full(100, 0.14)]))
    assert finding and finding.share == 1


def test_values_of_no_unit_are_unlike_the_reference() -> None:
    finding = units.suspect(BY_NAME["open_acc"], np.full(100, 300.0), (2, 28), 100)
    assert finding and finding.code == Code.UNLIKE_REFERENCE
    assert finding.severity == Severity.WARNING and "such as 300" in finding.message
    # A few that would fit in another unit do not hide that most fit in none
    mixed = np.concatenate([np.full(900, 7_000.0), np.full(60, 0.14), np.full(40, 14.0)])
    assert suspect("dti", mixed).code == Code.UNLIKE_REFERENCE


def test_a_value_out_of_range_hints_at_its_unit() -> None:
    assert units.of_value(BY_NAME["term"], 3) == "years instead of months"
    assert units.of_value(BY_NAME["int_rate"], 0.1065) == "fractions instead of percent"
    assert units.of_value(BY_NAME["int_rate"], 0) is None
    assert units.of_value(Column("x", "number", unit="percent", low=1, high=2), 0.01) is None


@pytest.mark.parametrize("count", [3, 20, 1_000])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_lower_end_is_wilsons(count: int, share: float) -> None:
    events = round(share * count)
    expected = binomtest(events, count).proportion_ci(method="wilson").low
    assert units.lower(events / count, count) == pytest.approx(expected, abs=1e-6)
