"""Findings about a file, and the report that prepare, train, batch and monitor share. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from loan_default.errors import InputError


class Severity(StrEnum):
    """How bad a finding is: a count, something to look at, or a reason to reject the file."""

    NOTE = "note"
    WARNING = "warning"
    REFUSED = "refused"


class Code(StrEnum):
    """What a finding is about. Programs compare these codes, never the sentences."""

    MISSING = "missing"
    VANISHED = "vanished"
    CONSTANT = "constant"
    NEVER_SEEN = "never_seen"
    UNKNOWN = "unknown"
    OUT_OF_RANGE = "out_of_range"
    UNIT = "unit"
    UNLIKE_REFERENCE = "unlike_reference"
    TIME_ZONE = "time_zone"
    DATE_ORDER = "date_order"
    AS_OF = "as_of"
    COLUMN_NAME = "column_name"
    READING = "reading"
    ID = "id"


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed about a file.

    Attributes:
        code: what it is about.
        severity: how bad it is.
        message: one sentence for people.
        column: the record's column, None if it is about the file.
        rows: the rows that it is about; in a large file estimated from a sample.
        share: the same in [0, 1] of the rows that it could be about.
        example: a value that shows it.
    """

    code: Code
    severity: Severity
    message: str
    column: str | None = None
    rows: int | None = None
    share: float | None = None
    example: str | None = None


@dataclass
class Report:
    """The plausibility report of a file.

    Attributes:
        findings: what was noticed, the worst first once `sort` has run.
        accepted_because: why the file is used although a finding refuses it; None if it need not.
    """

    findings: list[Finding] = field(default_factory=list)
    accepted_because: str | None = None

    def add(self, findings: Sequence[Finding]) -> None:
        """Add findings and keep the worst first."""
        self.findings += findings
        self.findings.sort(key=lambda finding: -_RANK[finding.severity])

    def sentences(self) -> list[str]:
        """Return the messages of all findings but mere notes, the worst first."""
        return [f.message for f in self.findings if f.severity != Severity.NOTE]

    def check(self, path: str, accepted_because: str | None) -> None:
        """Check that no finding refuses the file, unless someone has given a reason to use it.

        Raises:
            InputError: one does; the message names column, suspicion and remedy.
        """
        refusals = [f.message for f in self.findings if f.severity == Severity.REFUSED]
        if not refusals:
            return
        if not accepted_because:
            raise InputError(
                f"{path} is not plausible: {'; '.join(refusals[:3])}. If the values are right, "
                "give --accept-findings with the reason, which is recorded"
            )
        self.accepted_because = accepted_because

    def result(self) -> dict[str, Any]:
        """Return the keys of a JSON result: `findings`, the sentences, and `plausibility`."""
        return {"findings": self.sentences(), "plausibility": self.as_json()}

    def as_json(self) -> dict[str, Any]:
        """Return the report for a JSON result, a manifest or a model card."""
        return {
            "severity": self.findings[0].severity if self.findings else "none",
            "accepted_because": self.accepted_because,
            "findings": [asdict(finding) for finding in self.findings],
        }
