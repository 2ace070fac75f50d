"""Columns that have failed are found, and natural ones are not."""

import polars as pl
import pytest

from lendingclub import BY_NAME
from loan_default.plausibility import columns
from loan_default.plausibility.expected import Expected
from loan_default.plausibility.finding import Code, Severity

DTI, HOME, TERM = BY_NAME["dti"], BY_NAME["home_ownership"], BY_NAME["term"]


def found(finding):
    return finding and (finding.code, finding.severity)


@pytest.mark.parametrize(
    ("count", "usual", "expected"),
    [
        (0, 0.0, None),
        (3, None, (Code.MISSING, Severity.NOTE)),
        (100, None, (Code.MISSING, Severity.NOTE)),
        (3, 0.03, (Code.MISSING, Severity.NOTE)),
        (60, 0.03, (Code.MISSING, Severity.WARNING)),
        (100, 0.03, (Code.VANISHED, Severity.WARNING)),
        (100, 0.7, (Code.VANISHED, Severity.WARNING)),
        (100, 0.98, (Code.MISSING, Severity.NOTE)),
        (100, 1.0, (Code.MISSING, Severity.NOTE)),
    ],
)
def test_missing_cells_are_compared_with_the_reference(count, usual, expected) -> None:
    finding = columns.missing(DTI, count, 100, Expected(missing=usual))
    assert found(finding) == expected
    if finding:
        assert (finding.column, finding.rows, finding.share) == ("dti", count, count / 100)


@pytest.mark.parametrize(
    ("column", "rows", "commonest", "expected"),
    [
        (DTI, 300, 0.01, Severity.WARNING),
        (DTI, 3, 0.5, None),
        (DTI, 300, 0.999, None),
        (DTI, 300, None, Severity.WARNING),
        (DTI, 19, None, None),
        (TERM, 300, None, Severity.NOTE),
        (HOME, 300, None, Severity.NOTE),
        (HOME, 300, 0.5, Severity.WARNING),
        (TERM, 300, 1.0, None),
    ],
)
def test_a_constant_is_found_where_the_column_varies(column, rows, commonest, expected) -> None:
    cells = pl.Series([36.0 if column.kind == "number" else "RENT"] * rows)
    finding = columns.constant(column, cells, Expected(commonest=commonest), rows)
    assert (finding and finding.severity) == expected
    assert columns.constant(column, cells.head(1), Expected(commonest=commonest), 1) is None


def test_two_values_are_no_constant() -> None:
    assert columns.constant(DTI, pl.Series([1.0, 2.0] * 50), Expected(commonest=0.01), 100) is None


def test_terms_and_levels_never_seen_are_named_and_unknown_ones_left_to_another_finding() -> None:
    cells = pl.Series([36.0] * 90 + [60.0] * 10)
    finding = columns.never_seen(TERM, cells, Expected(values=frozenset({36.0})), 1_000)
    assert found(finding) == (Code.NEVER_SEEN, Severity.WARNING)
    assert finding.rows == 100 and "term holds 60 in 10.0% of the rows" in finding.message
    homes = pl.Series(["RENT", "OWN", "castle"])
    finding = columns.never_seen(HOME, homes, Expected(values=frozenset({"RENT"})), 3)
    assert finding.example == "OWN" and "castle" not in finding.message
    assert columns.never_seen(HOME, homes, Expected(), 3) is None
    assert columns.never_seen(TERM, cells, Expected(values=frozenset({36.0, 60.0})), 9) is None
