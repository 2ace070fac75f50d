"""Whole tables read block by block."""

import io

import polars as pl
import pytest

from loan_default.data import csv_reader
from loan_default.data.readers import open_table
from loan_default.errors import InputError
from properties import tries

TEXT = "id,amount,note\n1,1000,first\n2,2000,second\n"
ROWS = [
    {"id": "1", "amount": "1000", "note": "first"},
    {"id": "2", "amount": "2000", "note": "second"},
]
QUICK = tries(60)
# Where the reader cuts the file into blocks must not matter.
BLOCK_SIZES = [1, 2, 3, 5, 7, 16, 64, 1 << 20]


def parquet(rows, **options) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(rows).write_parquet(buffer, **options)
    return buffer.getvalue()


class Read:
    """A whole table: `rows`, their `numbers`, and the `malformed` numbers with reasons."""

    def __init__(self, path: str, wanted=("id", "amount", "note"), block_bytes=None):
        self.rows, self.numbers, self.malformed, self.blocks = [], [], [], 0
        with pytest.MonkeyPatch.context() as patch:
            if block_bytes:
                patch.setattr(csv_reader, "BLOCK_BYTES", block_bytes)
                patch.setattr(csv_reader, "PIECE_BYTES", block_bytes // 3 + 1)
            with open_table(path, wanted) as table:
                self.columns, self.metadata = table.columns, table.metadata
                for block in table.blocks:
                    self.blocks += 1
                    self.numbers += block.cells["row"].to_list()
                    self.rows += block.cells.drop("row").to_dicts()
                    self.malformed += block.malformed
                self.notes = table.notes


def refusal(path: str, wanted=("id", "amount", "note"), **more) -> str:
    with pytest.raises(InputError) as caught:
        Read(path, wanted, **more)
    message = str(caught.value)
    assert path in message and "\n" not in message
    return message
