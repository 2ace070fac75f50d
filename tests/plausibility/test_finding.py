"""The report: the worst first, refusals that a reason overrides on the record."""

import pytest

from loan_default.errors import InputError
from loan_default.plausibility.finding import Code, Finding, Report, Severity

NOTE = Finding(Code.MISSING, Severity.NOTE, "3% of the rows lack dti", "dti", 3, 0.03)
WARNING = Finding(
    Code.CONSTANT, Severity.WARNING, "term holds 36 in every row", "term", 9, 1.0, "36"
)
REFUSED = Finding(Code.UNIT, Severity.REFUSED, "dti looks like fractions", "dti", 9, 1.0, "0.1")


def test_the_worst_finding_comes_first_and_notes_are_no_sentences() -> None:
    report = Report()
    assert report.as_json() == {"severity": "none", "accepted_because": None, "findings": []}
    report.add([NOTE, WARNING])
    report.add([REFUSED])
    assert report.sentences() == [REFUSED.message, WARNING.message]
    facts = report.as_json()
    assert facts["severity"] == "refused"
    assert facts["findings"][1] == {
        "code": "constant",
        "severity": "warning",
        "message": "term holds 36 in every row",
        "column": "term",
        "rows": 9,
        "share": 1.0,
        "example": "36",
    }


def test_a_refusal_names_the_finding_and_the_flag() -> None:
    report = Report([REFUSED])
    with pytest.raises(InputError, match="loans.csv is not plausible: dti looks like fractions"):
        report.check("loans.csv", None)
    with pytest.raises(InputError, match="--accept-findings"):
        report.check("loans.csv", "")


def test_a_reason_is_recorded_only_where_it_was_needed() -> None:
    for findings, recorded in (([REFUSED], "checked with them"), ([WARNING], None)):
        report = Report(list(findings))
        report.check("loans.csv", "checked with them")
        assert report.as_json()["accepted_because"] == recorded
