"""Read a file of loans or applications as parsed blocks and count its rejected rows."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from loan_default.columns import DEFAULT, ID, ISSUE_MONTH
from loan_default.contract.contract import Contract
from loan_default.contract.matching import canonical, nearly, require_half, without_id
from loan_default.data import afterwards, assess
from loan_default.data.as_of import PaymentMonths, current_month
from loan_default.data.dates import month
from loan_default.data.parsing import parse, plain_numbers, require_core
from loan_default.data.readers import Table, open_table
from loan_default.data.rejections import NOT_LOANS, Fault, Parsed, RejectionKind, SeenIds, malformed
from loan_default.data.row_sample import RowSample
from loan_default.errors import InputError
from loan_default.plausibility.expected import Expectations, of_contract
from loan_default.plausibility.finding import Code, Finding, Report, Severity

AS_OF = "as_of"
# So few unknown categories of a column are no sign of a file that is spelt otherwise
_FEW = 2

log = logging.getLogger(__name__)


class LoanReader:
    """Iterate once over the blocks of a file, counting rows.

    Attributes:
        path: the path as given, local or remote.
        files: the local files that are read.
        rows_in: the rows read so far.
        rejected: the rows rejected so far, by kind.
        first_rejected: the row number of each kind's first rejection, and its reason.
        report: what was noticed about the file, complete once all blocks are read.
        as_of: the month through which payments are known, once all blocks are read; None if the
            file does not tell.
    """

    def __init__(
        self,
        table: Table,
        contract: Contract,
        run_month: date | None,
        labelled: bool,
        expectations: Expectations | None = None,
    ) -> None:
        self.path, self.files = table.path, table.files
        self.rows_in = 0
        self.rejected: Counter[RejectionKind] = Counter()
        self.first_rejected: dict[RejectionKind, tuple[int, str]] = {}
        self.as_of = month(table.metadata.get(AS_OF, ""))
        self.contract = contract
        self.report = Report()
        self._filled: Counter[str] = Counter()
        self._unknown: dict[str, Counter[str]] = {}
        self._missing: Counter[str] = Counter()
        self._sample = RowSample(contract)
        self._expectations = of_contract(contract) if expectations is None else expectations
        self._add(_sentences(Code.COLUMN_NAME, nearly(table.columns, contract)))
        if not labelled and (sentence := without_id(table.columns, contract)):
            self._add(_sentences(Code.ID, [sentence]))
        self._table, self._run_month, self._labelled = table, run_month, labelled
        self._payments = PaymentMonths(contract)

    def __iter__(self) -> Iterator[Parsed]:
        """Yield the blocks, each with its records and its rejected rows.

        Raises:
            InputError: the file is damaged or has no rows.
        """
        seen = SeenIds()
        for block in self._table.blocks:
            records = parse(block.cells, self.contract, self._run_month, self._labelled)
            parsed = seen.split(records)
            if block.malformed:
                rejected = pl.concat([parsed.rejected, malformed(block.malformed)]).sort("row")
                parsed = Parsed(parsed.records, rejected, parsed.unknown)
            self._count(block.cells, parsed)
            yield parsed
        if not self.rows_in:
            raise InputError(f"{self.path} has a header but no rows")
        self._add(_sentences(Code.READING, self._table.notes))
        self._settle_as_of()
        self._assess()

    @property
    def findings(self) -> list[str]:
        """Return what was noticed about the file in sentences, mere counts left out."""
        return self.report.sentences()

    @property
    def rows_rejected(self) -> int:
        """Return the number of rows rejected so far, including blank lines and footers."""
        return self.rejected.total()

    @property
    def rejections(self) -> dict[str, Any]:
        """Return the rejected rows for a result or a manifest, the most common kind first.

        `rejected_by_reason` counts them by sentence, for people; `rejections` lists code, column
        (None for a whole row) and rows, for programs.
        """
        told = {kind: kind.sentence(self.contract) for kind in self.rejected}
        kinds = sorted(self.rejected.items(), key=lambda item: (-item[1], told[item[0]]))
        return {
            "rejected_by_reason": {told[kind]: rows for kind, rows in kinds},
            "rejections": [
                {"code": kind.code, "column": kind.column, "rows": rows} for kind, rows in kinds
            ],
        }

    def check(self, rejected: float, unknown: float, accepted_because: str | None) -> None:
        """Check the file as a whole, once all blocks are read.

        Args:
            rejected: largest share of rejected rows.
            unknown: largest share of unknown values in a category.
            accepted_because: why the file is used although it is not plausible; None rejects it.

        Raises:
            InputError: the file exceeds a limit, or is not plausible.
        """
        self.check_rejected_share(rejected)
        self.check_unknown_share(unknown)
        self.report.check(self.path, accepted_because)

    def check_rejected_share(self, limit: float) -> None:
        """Check the share of rejected rows, ignoring blank lines, footers and prose.

        Raises:
            InputError: the share is above `limit`, or there is no loan.
        """
        loans = Counter({k: n for k, n in self.rejected.items() if k.code not in NOT_LOANS})
        rows = self.rows_in - self.rejected.total() + loans.total()
        if rows and loans.total() / rows > limit:
            examples = "; ".join(
                "{} ({} rows, first row {}: {})".format(
                    kind.sentence(self.contract), count, *self.first_rejected[kind]
                )
                for kind, count in loans.most_common(3)
            )
            raise InputError(
                f"{loans.total()} of {rows} rows in {self.path} break the contract, more than "
                f"MAX_REJECTED_SHARE={limit:g} allows: {examples}"
            )
        if not rows:
            raise InputError(f"{self.path} holds no loans, only footers, prose and blank lines")

    def check_unknown_share(self, limit: float) -> None:
        """Check the share of unknown texts among the filled cells of each category.

        Raises:
            InputError: the share is above `limit` and more than a few; the message names column
                and texts.
        """
        for name, texts in self._unknown.items():
            unknown, filled = texts.total(), self._filled[name]
            if unknown > _FEW and unknown > limit * filled:
                examples = ", ".join(f"{text[:40]!r} ({n})" for text, n in texts.most_common(3))
                raise InputError(
                    f"{name} holds unknown values in {unknown} of {filled} filled rows of "
                    f"{self.path}, more than MAX_UNKNOWN_SHARE={limit:g} allows: {examples}; known "
                    f"are {', '.join(self.contract.by_name[name].levels[:8])}: add them to the "
                    "contract as levels or spellings"
                )

    def _count(self, cells: pl.DataFrame, parsed: Parsed) -> None:
        self.rows_in += parsed.records.height + parsed.rejected.height
        rejected = parsed.rejected.select("row", "column", "code", "reason")
        for row, column, code, reason in rejected.iter_rows():
            kind = RejectionKind(Fault(code), column)
            self.rejected[kind] += 1
            self.first_rejected.setdefault(kind, (row, reason))
        for name, texts in parsed.unknown.items():
            self._unknown.setdefault(name, Counter()).update(texts)
        for name, nulls in parsed.records.null_count().row(0, named=True).items():
            self._missing[name] += nulls
            self._filled[name] += parsed.records.height - nulls
        self._sample.add(parsed.records, cells)
        if self._labelled:
            self._payments.add(cells)
            self.as_of = self.as_of or _stated_as_of(cells)

    def _settle_as_of(self) -> None:
        """Set the as-of month from all rows, unless the file states it.

        Raises:
            InputError: the stated month is in the future.
        """
        if self.as_of and self.as_of > current_month():
            raise InputError(
                f"{self.path} states {self.as_of:%Y-%m} as the month through which outcomes are "
                "known, which is in the future: prepare it again"
            )
        if not self._labelled or self.as_of:
            return
        self.as_of, findings = self._payments.latest(current_month())
        self._add(_sentences(Code.AS_OF, findings))

    def _assess(self) -> None:
        """Add what all rows together show to the report."""
        loans = self.rows_in - sum(n for k, n in self.rejected.items() if k.code in NOT_LOANS)
        self._add(
            [
                *assess.of_columns(
                    self._sample.parts(),
                    self._sample.seen,
                    self._missing,
                    self.contract,
                    self._expectations,
                ),
                *(assess.of_empty(self._filled, self.contract) if self._labelled else ()),
                *assess.of_dates(self._sample, self.contract, self._labelled),
                *assess.of_rejections(self.rejected, self.first_rejected, loans, self.contract),
                *assess.of_unknown(self._unknown, self._filled),
                *(() if self._labelled else self._rows_without_id()),
            ]
        )

    def _rows_without_id(self) -> list[Finding]:
        """Return a finding if rows have no id, though the lender has ids."""
        missing, rows = self._missing[ID], self._missing[ID] + self._filled[ID]
        if not missing or not self.contract.loan.id:
            return []
        sentence = (
            f"{missing:,} of {rows:,} rows have no {self.contract.loan.id}: outcomes cannot be "
            "joined with them"
        )
        return [Finding(Code.ID, Severity.WARNING, sentence, ID, missing, missing / rows)]

    def _add(self, findings: list[Finding]) -> None:
        self.report.add(findings)
        for finding in findings:
            if finding.severity != Severity.NOTE:
                log.warning("%s: %s", self.path, finding.message)


@contextmanager
def open_loans(
    path: str,
    contract: Contract,
    run_month: date | None = None,
    labelled: bool = False,
    expectations: Expectations | None = None,
) -> Iterator[LoanReader]:
    """Open a file of applications, or of loans with an outcome, raw or typed.

    Args:
        path: a local or remote file, or several as one (`sources.expand`).
        contract: what its columns may hold.
        run_month: end of the credit history of rows without an issue month.
        labelled: whether each row needs an issue month and an outcome.
        expectations: what the columns usually hold; by default what the contract says.

    Raises:
        InputError: the file or a core column is missing, or a prepared file holds columns that are
            known only after the loan was granted.
    """
    labels = ((contract.outcome.column, DEFAULT), (contract.loan.issued, ISSUE_MONTH))
    wanted = set(contract.sources)
    if labelled:
        wanted |= {*contract.loan.known_through, AS_OF, *afterwards.sources(contract)}
    rename = partial(canonical, contract=contract)

    def check(name: str, columns: tuple[str, ...]) -> None:
        require_half(name, columns, contract)
        require_core(name, columns, contract, labels if labelled else ())
        if labelled and {DEFAULT, ISSUE_MONTH} & set(columns):
            _reject_known_afterwards(name, columns, contract)

    numbers = plain_numbers(contract) | (afterwards.amounts(contract) if labelled else frozenset())
    with open_table(path, wanted, numbers, rename, check) as table:
        yield LoanReader(table, contract, run_month, labelled, expectations)


def _sentences(code: Code, sentences: list[str]) -> list[Finding]:
    return [Finding(code, Severity.WARNING, sentence) for sentence in sentences]


def _reject_known_afterwards(path: str, columns: tuple[str, ...], contract: Contract) -> None:
    raw = {contract.outcome.column, contract.loan.issued}
    if {DEFAULT, ISSUE_MONTH} <= raw:
        return
    afterwards = contract.never.known_afterwards - {contract.outcome.column}
    leaks = [name for name in columns if name in afterwards]
    if leaks:
        raise InputError(
            f"{path} holds columns that are known only after the loan was granted: "
            f"{', '.join(leaks)}; remove them, since a model must not use them"
        )


def _stated_as_of(cells: pl.DataFrame) -> date | None:
    months = cells[AS_OF].drop_nulls().cast(pl.String) if AS_OF in cells.columns else pl.Series([])
    return month(months[0]) if len(months) else None
