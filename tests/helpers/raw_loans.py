"""Files of raw loans, and what taking them in gives."""

import csv
import io
from contextlib import contextmanager
from types import SimpleNamespace

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.data import csv_reader
from loan_default.data.ingest import open_loans
from loan_default.errors import InputError

LOAN = {
    "id": "1",
    "loan_amnt": "10000",
    "term": " 36 months",
    "int_rate": "13.5%",
    "annual_inc": "60000",
    "grade": "B",
    "issue_d": "Dec-2010",
    "loan_status": "Fully Paid",
    "last_pymnt_d": "Jan-2013",
}
TYPED = {
    "id": "1",
    "issue_month": "2010-12-01",
    "default": "0",
    "loan_amnt": "10000.0",
    "term": "36.0",
    "int_rate": "13.5",
    "annual_inc": "60000.0",
    "grade": "B",
}
FOOTER_LINE = "Total amount funded in policy code 1: 460296150" + "," * (len(LOAN) - 1)


def loans(number: int, **cells: str | None) -> list[dict]:
    return [LOAN | {"id": f"{n}"} | cells for n in range(1, number + 1)]


def text(rows: list[dict], *lines: str) -> str:
    """CSV with a header, the rows and then `lines` as they are."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue() + "".join(f"{line}\n" for line in lines)


@contextmanager
def blocks_of(size: int | None):
    with pytest.MonkeyPatch.context() as patch:
        if size:
            patch.setattr(csv_reader, "BLOCK_BYTES", size)
            patch.setattr(csv_reader, "PIECE_BYTES", size // 3 + 1)
        yield


def take(path: str, labelled: bool = True, size: int | None = None, limit: float = 1.0):
    """All of a file: the reader, its records and its rejected rows."""
    with blocks_of(size), open_loans(path, CONTRACT, labelled=labelled) as reader:
        blocks = list(reader)
        reader.check_rejected_share(limit)
    records = pl.concat([block.records for block in blocks])
    rejected = pl.concat([block.rejected for block in blocks])
    return SimpleNamespace(reader=reader, records=records, rejected=rejected, blocks=len(blocks))


def refusal(path: str, **more) -> str:
    with pytest.raises(InputError) as caught:
        take(path, **more)
    assert path in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)
