"""Write the prepared file: typed records with issue month and outcome, and their as-of month."""

import logging
from datetime import date
from pathlib import Path, PurePath
from typing import Any

import polars as pl

from loan_default import storage
from loan_default.columns import DEFAULT, ID, ISSUE_MONTH
from loan_default.contract.contract import Contract
from loan_default.data import afterwards
from loan_default.data.ingest import AS_OF, LoanReader, open_loans
from loan_default.data.rejections import REJECTED_FILE, SCHEMA
from loan_default.data.writers import CsvSink, ParquetSink
from loan_default.errors import InputError

log = logging.getLogger(__name__)


def prepared_schema(contract: Contract) -> pl.Schema:
    """Return the columns of a prepared file with their types."""
    types: dict[str, pl.DataType] = {
        name: pl.String() if name in contract.levels else pl.Float64() for name in contract.stored
    }
    loan: dict[str, pl.DataType] = {ID: pl.String(), ISSUE_MONTH: pl.Date(), DEFAULT: pl.Int8()}
    return pl.Schema(loan | afterwards.stored(contract) | types)


def prepare(
    contract: Contract,
    input_path: str,
    output_path: str,
    as_of: date | None,
    max_rejected_share: float,
    max_unknown_share: float = 1.0,
    accepted_because: str | None = None,
) -> dict[str, Any]:
    """Write the typed records of an export, and its rejected rows to rejected.csv next to them.

    Args:
        contract: what the columns of the export may hold.
        input_path: the export, raw or prepared.
        output_path: a .parquet (as-of month in its metadata) or .csv file (in a column).
        as_of: the month through which outcomes are known; by default read from the export.
        max_rejected_share: largest share of rejected rows; `max_unknown_share` of unknown values.
        accepted_because: why an export that is not plausible is used; None refuses it.

    Returns paths, as-of month, findings and counts of rows. Raises InputError if the export cannot
    be used; no file is changed then.
    """
    rejected_path = _rejected_path(output_path)
    as_csv = output_path.endswith(".csv")
    as_of = _as_of(input_path, contract) if as_of is None and as_csv else as_of
    with storage.atomic_file(output_path) as data, storage.atomic_file(rejected_path) as bad:
        with open_loans(input_path, contract, labelled=True) as reader:
            counts = _write(reader, data, bad, as_of, as_csv)
            reader.check(max_rejected_share, max_unknown_share, accepted_because)
    return {
        "output_path": output_path,
        "rejected_path": rejected_path,
        "as_of": _text(as_of or reader.as_of),
        **reader.report.result(),
        "rows_in": reader.rows_in,
        "rows_written": reader.rows_in - reader.rows_rejected,
        "rows_rejected": reader.rows_rejected,
        **reader.rejections,
        **counts,
    }


def _text(as_of: date | None) -> str | None:
    return f"{as_of:%Y-%m}" if as_of else None


def _rejected_path(output_path: str) -> str:
    if not output_path.endswith((".parquet", ".csv")):
        raise InputError(f"cannot write {output_path}: name a .parquet or a .csv file")
    if PurePath(output_path).name == REJECTED_FILE:
        raise InputError(
            f"cannot write {output_path}: {REJECTED_FILE} holds rejected rows; name another file"
        )
    if storage.is_remote(output_path):
        return output_path.rsplit("/", 1)[0] + "/" + REJECTED_FILE
    return str(PurePath(output_path).parent / REJECTED_FILE)


def _as_of(path: str, contract: Contract) -> date | None:
    with open_loans(path, contract, labelled=True) as reader:
        for _ in reader:
            pass
    return reader.as_of


def _write(
    reader: LoanReader, data: Path, bad: Path, as_of: date | None, as_csv: bool
) -> dict[str, int]:
    counts = {"rows_defaulted": 0, "rows_paid": 0, "rows_unfinished": 0}
    typed = prepared_schema(reader.contract)
    schema = pl.Schema(typed | ({AS_OF: pl.String()} if as_csv else {}))
    with (
        (CsvSink if as_csv else ParquetSink)(data, schema) as out,
        CsvSink(bad, pl.Schema(SCHEMA)) as rejected,
    ):
        for block in reader:
            records = block.records.select(typed.names())
            if as_csv:
                records = records.with_columns(pl.lit(_text(as_of), pl.String).alias(AS_OF))
            out.write(records)
            rejected.write(block.rejected)
            counts["rows_defaulted"] += int((records[DEFAULT] == 1).sum())
            counts["rows_paid"] += int((records[DEFAULT] == 0).sum())
            counts["rows_unfinished"] += records[DEFAULT].null_count()
            log.info("%s rows read, %s rejected", reader.rows_in, reader.rows_rejected)
        as_of = as_of or reader.as_of
        if isinstance(out, ParquetSink) and as_of:
            out.annotate({AS_OF: f"{as_of:%Y-%m}"})
    return counts
