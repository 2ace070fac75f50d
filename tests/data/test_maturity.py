from datetime import date

import polars as pl
import pytest

from loan_default.data.maturity import maturity_month


@pytest.mark.parametrize(
    ("issued", "term", "matures"),
    [
        (date(2010, 12, 1), 36.0, date(2013, 12, 1)),
        (date(2011, 1, 1), 60.0, date(2016, 1, 1)),
        (date(2012, 2, 1), 1.0, date(2012, 3, 1)),
        (None, 36.0, None),
        (date(2010, 12, 1), None, None),
    ],
)
def test_a_loan_matures_in_its_issue_month_plus_its_term(
    issued: date | None, term: float | None, matures: date | None
) -> None:
    loans = pl.DataFrame(
        {"issued": [issued], "term": [term]}, schema={"issued": pl.Date, "term": pl.Float64}
    )
    assert loans.select(maturity_month("issued")).item() == matures
