"""The plausibility report of a scored day: the batch's own, and its columns by the reference. Pure.

The online log has no report of its own; its sample is judged in the same way.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from loan_default.contract.contract import Contract
from loan_default.data.assess import of_columns
from loan_default.monitoring.days.day_counts import DayCounts
from loan_default.plausibility.expected import of_reference
from loan_default.plausibility.finding import Code, Finding, Report, Severity

# Findings that call for a person: a source has failed, or applicants are of a kind never learned
FAILURES = frozenset(
    {
        Code.VANISHED,
        Code.MISSING,
        Code.CONSTANT,
        Code.NEVER_SEEN,
        Code.UNIT,
        Code.UNLIKE_REFERENCE,
        Code.TIME_ZONE,
    }
)


def report(
    counts: DayCounts,
    sample: pl.DataFrame,
    reference: pl.DataFrame,
    contract: Contract,
    stored: Mapping[str, Any] | None,
) -> Report:
    """Return the day's report.

    Args:
        counts: the counts over all rows of the day.
        sample: the day's sample of scored rows.
        reference: the reference sample of the version that scored them.
        contract: that version's.
        stored: the report in the manifest of a batch; None if there is none.
    """
    found = Report(accepted_because=stored["accepted_because"] if stored else None)
    found.add([_finding(each) for each in stored["findings"]] if stored else [])
    known = {(finding.code, finding.column) for finding in found.findings}
    missing = {name: cells.missing for name, cells in counts.columns.items()}
    computed = of_columns(
        [sample], counts.rows_scored, missing, contract, of_reference(reference, contract)
    )
    found.add([each for each in computed if (each.code, each.column) not in known])
    return found


def failed_columns(found: Report) -> tuple[str, ...]:
    """Return the columns whose findings call for a person, sorted by name."""
    failed = {
        finding.column
        for finding in found.findings
        if finding.column and finding.severity != Severity.NOTE and finding.code in FAILURES
    }
    return tuple(sorted(failed))


def sentences(found: Report) -> list[str]:
    """Return the sentences that the day's data quality does not hold already."""
    return [
        finding.message
        for finding in found.findings
        if finding.severity != Severity.NOTE and finding.code not in (Code.UNKNOWN, Code.AS_OF)
    ]


def _finding(stored: Mapping[str, Any]) -> Finding:
    code, severity = Code(stored["code"]), Severity(stored["severity"])
    return Finding(**{**stored, "code": code, "severity": severity})
