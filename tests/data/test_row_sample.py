"""A sample of rows stays small, even and aligned with the cells of its dates."""

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.data import row_sample
from loan_default.data.row_sample import RowSample


def block(first: int, rows: int, every: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records of each `every`-th row, and the cells of all."""
    numbers = range(first, first + rows)
    cells = pl.DataFrame({"row": numbers, "issue_d": [f"day {n}" for n in numbers], "dti": 1.0})
    return cells.gather_every(every).select("row", dti=pl.col("dti")), cells


def test_few_rows_are_all_taken_in_order() -> None:
    sample = RowSample(CONTRACT)
    sample.add(*block(1, 30))
    sample.add(*block(31, 20))
    assert sample.seen == 50 and [part.height for part in sample.parts()] == [30, 20]
    assert sample.records()["row"].to_list() == list(range(1, 51))
    assert sample.dates("issue_d").to_list() == [f"day {n}" for n in range(1, 51)]
    assert sample.dates("earliest_cr_line").null_count() == 50


@pytest.mark.parametrize("every", [1, 3])
def test_many_rows_leave_an_even_sample_whose_dates_are_those_of_its_rows(every, monkeypatch):
    monkeypatch.setattr(row_sample, "ROWS_OF_A_BLOCK", 20)
    monkeypatch.setattr(row_sample, "MAX_ROWS", 200)
    sample = RowSample(CONTRACT)
    for n in range(100):
        sample.add(*block(1 + 300 * n, 300, every))
        assert sample.records().height <= 200 + 40
    rows = sample.records()["row"]
    assert rows.is_sorted() and rows.n_unique() == len(rows) >= 100
    assert rows.min() < 300 and rows.max() > 29_000
    assert sample.dates("issue_d").to_list() == [f"day {n}" for n in rows]


def test_no_row_leaves_none() -> None:
    sample = RowSample(CONTRACT)
    sample.add(*block(1, 0))
    assert (sample.seen, sample.parts(), sample.records().height) == (0, [], 0)
