"""Applications in every shape that a typed record can have, and as the export writes them."""

from datetime import date

import numpy as np
from hypothesis import strategies as st

from lendingclub import RECORD
from loan_default.contract.contract import Column

ISSUED = date(2015, 6, 1)
MONTH_NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
EMPLOYMENT = {0: "< 1 year", 1: "1 year", 10: "10+ years"} | {n: f"{n} years" for n in range(2, 10)}
WHOLE = ("emp_length", "credit_history_months")
Application = dict[str, float | str | None]


def values(column: Column) -> st.SearchStrategy:
    """What a typed record may hold there; whole numbers where the export has no others."""
    if column.kind == "category":
        unknown = st.text(
            st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4
        )
        known = st.sampled_from(column.levels)
        return st.none() | known | unknown
    if column.name in WHOLE:
        return st.none() | st.integers(0, min(int(column.high), 10 if column.high < 100 else 1200))
    ends = {"min_value": column.low, "max_value": column.high}
    number = st.floats(**ends) | st.integers(
        int(np.ceil(column.low)), int(min(column.high, 10_000))
    )
    return number if column.core else st.none() | number


APPLICATIONS = st.fixed_dictionaries({column.name: values(column) for column in RECORD})


def raw(application: Application, issued: bool) -> dict[str, str]:
    """The application as the export writes it."""
    cells = {name: "" if value is None else f"{value}" for name, value in application.items()}
    cells["term"] = f" {cells['term']} months"
    for name in ("int_rate", "revol_util"):
        cells[name] += "%" if cells[name] else ""
    years, history = application["emp_length"], application["credit_history_months"]
    cells["emp_length"] = "n/a" if years is None else EMPLOYMENT[years]
    del cells["credit_history_months"]
    if history is None:
        cells["earliest_cr_line"] = ""
    else:
        year, month = divmod(ISSUED.year * 12 + ISSUED.month - 1 - history, 12)
        cells["earliest_cr_line"] = f"{MONTH_NAMES[month]}-{year}"
    return cells | {"url": "x", "zip_code": "945xx", "issue_d": "Jun-2015" if issued else ""}
