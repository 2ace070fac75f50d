"""Dollars that came as logarithms are refused, and no others."""

import math

import numpy as np
import pytest

from lendingclub import CONTRACT, RECORD
from loan_default.data.parsing import parse
from loan_default.errors import InputError
from parsed_loans import APPLICATION, frame

INCOMES = [20_000 * 1.1**n for n in range(25)]


@pytest.mark.parametrize(
    "name", [column.name for column in RECORD if column.unit.startswith("dollars")]
)
@pytest.mark.parametrize("transform", [np.log, np.log1p, np.log10])
def test_dollars_on_a_log_scale_are_refused_by_name(name, transform):
    rows = [APPLICATION | {name: f"{transform(income)}"} for income in INCOMES]
    with pytest.raises(InputError, match=f"^{name} looks log-transformed .* give plain dollars"):
        parse(frame(*rows), CONTRACT)


def test_income_in_thousands_is_no_log_scale():
    rows = [APPLICATION | {"annual_inc": f"{income / 1000:.0f}"} for income in INCOMES]
    assert parse(frame(*rows), CONTRACT).records.height == 25


def test_a_log_scale_shows_among_missing_and_unreadable_values_too():
    logs = [APPLICATION | {"revol_bal": f"{math.log(income)}"} for income in INCOMES]
    with pytest.raises(InputError, match="^revol_bal looks log-transformed"):
        parse(
            frame(*logs, *[APPLICATION | {"revol_bal": text} for text in (None, "x", "NaN")]),
            CONTRACT,
        )


def test_a_few_small_amounts_and_many_zeros_are_no_log_scale():
    few = [APPLICATION | {"tot_coll_amt": "12"}] * 19
    zeros = [APPLICATION | {"tot_coll_amt": "0"}] * 30
    assert parse(frame(*few), CONTRACT).records.height == 19
    assert parse(frame(*few, *zeros), CONTRACT).records.height == 49


@pytest.mark.parametrize(
    "values, refused",
    [
        ([12.0] * 20, True),
        ([12.0] * 19, False),
        ([1.0] * 20, False),
        ([12.0] * 19 + [24.9], True),
        ([12.0] * 19 + [25.0], False),
    ],
)
def test_twenty_amounts_above_1_and_below_25_are_logarithms(values, refused):
    rows = [APPLICATION | {"revol_bal": value} for value in values]
    if not refused:
        assert parse(frame(*rows), CONTRACT).rejected.is_empty()
        return
    with pytest.raises(InputError, match=f"median 12.0, largest {max(values)}"):
        parse(frame(*rows), CONTRACT)
