"""The plausibility report of a scored day."""

from dataclasses import replace

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.monitoring.days import plausible
from loan_default.monitoring.days.day_counts import CellCounts, DayCounts
from loan_default.plausibility.finding import Code, Finding, Report, Severity
from records import typed_loans

REFERENCE = typed_loans(2_000)
LATE = Finding(Code.TIME_ZONE, Severity.WARNING, "issue_d holds last days", "issue_d", 9, 1.0, "x")


def counts(sample: pl.DataFrame) -> DayCounts:
    nulls = sample.null_count().row(0, named=True)
    columns = {name: CellCounts(nulls.get(name, sample.height), 0, 0) for name in CONTRACT.names}
    rows = sample.height
    return DayCounts(rows, rows, 0, 0, 0.1, {}, (), columns)


def report(sample: pl.DataFrame, stored: Report | None = None) -> Report:
    facts = stored.as_json() if stored else None
    return plausible.report(counts(sample), sample, REFERENCE, CONTRACT, facts)


def test_a_day_like_the_reference_has_nothing_to_say() -> None:
    found = report(typed_loans(500, seed=1))
    assert plausible.failed_columns(found) == () and plausible.sentences(found) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (pl.lit(None, pl.Float64).alias("dti"), Code.VANISHED),
        (pl.lit(12.0).alias("dti"), Code.CONSTANT),
        ((pl.col("dti") / 100).alias("dti"), Code.UNIT),
        (pl.lit(84.0).alias("term"), Code.NEVER_SEEN),
    ],
)
def test_a_column_that_failed_is_found_in_the_sample(change: pl.Expr, code: Code) -> None:
    found = report(typed_loans(500, seed=1).with_columns(change))
    (column,) = plausible.failed_columns(found)
    assert column == change.meta.output_name()
    assert code in {f.code for f in found.findings if f.column == column}
    assert any(sentence.startswith(column) for sentence in plausible.sentences(found))


def test_the_batch_report_is_kept_and_not_doubled() -> None:
    gone = Finding(Code.VANISHED, Severity.WARNING, "dti has no values", "dti", 500, 1.0)
    stored = Report([LATE, gone], accepted_because="checked")
    sample = typed_loans(500, seed=1).with_columns(pl.lit(None, pl.Float64).alias("dti"))
    found = report(sample, stored)
    assert found.accepted_because == "checked"
    assert [f for f in found.findings if f.severity != Severity.NOTE] == [LATE, gone]
    assert plausible.failed_columns(found) == ("dti", "issue_d")


def test_notes_and_what_the_data_quality_says_already_are_left_out() -> None:
    unknown = replace(LATE, code=Code.UNKNOWN, message="grade holds unknown values")
    note = replace(LATE, severity=Severity.NOTE)
    found = report(typed_loans(500, seed=1), Report([unknown, note]))
    assert plausible.sentences(found) == [] and plausible.failed_columns(found) == ()


def test_a_sample_that_lacks_a_column_is_no_fault_of_the_report() -> None:
    found = report(typed_loans(500, seed=1).drop("dti"))
    assert all(finding.column != "dti" for finding in found.findings)
