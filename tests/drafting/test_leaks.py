"""What is known only afterwards is told from what was known at the start."""

import numpy as np
import polars as pl
import pytest

from facility_loans import HONEST, LEAKS, facilities, loans_of
from loan_default.drafting import leaks
from loan_default.drafting.columns import Column


def reasons(table: pl.DataFrame) -> dict[str, str]:
    loans, columns = loans_of(table)
    found = {name: leaks.known_afterwards(column, loans) for name, column in columns.items()}
    return {name: why for name, why in found.items() if why and name in HONEST | LEAKS}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("last_contact", "of its dates lie after the issue"),
        ("workout_team", "filled for 100% of defaulted, 0% of repaid"),
        ("service_index", "filled more often for ended loans of the same months"),
        ("visits", "follows the time from issue to last_contact"),
        ("file_flag", "of them defaulted"),
    ],
)
def test_each_leak_is_told_by_what_it_does(name: str, why: str) -> None:
    assert why in reasons(facilities())[name]


@pytest.mark.parametrize("seed", range(5))
def test_no_leak_passes_and_no_honest_column_is_set_apart(seed: int) -> None:
    assert set(reasons(facilities(seed=seed))) == LEAKS


def test_a_weak_leak_of_ended_loans_is_told_by_the_price_that_ignores_it() -> None:
    why = reasons(facilities(all_ended=True))["service_index"]
    assert "yet the price does not follow it" in why and "AUC of 0.6" in why


def test_without_a_price_a_column_must_predict_better_to_be_set_apart() -> None:
    draw = np.random.default_rng(5)
    table = facilities(all_ended=True).drop("margin_pct")
    bad = (table["outcome"] == "lost").to_numpy()
    for shift, expected in ((0.35, False), (0.62, True)):
        weak = pl.Series("service_index", draw.normal(shift * bad, 1))
        found = reasons(table.with_columns(weak))
        assert ("service_index" in found) is expected


def test_columns_of_noise_are_no_leaks() -> None:
    loans, columns = loans_of(facilities(rows=4_000))
    draw = np.random.default_rng(9)
    rows, years = 4_000, loans.issued // 12
    for number in range(100):
        values = draw.normal(size=rows) + 0.3 * (years - years.min())
        texts = pl.Series(values.round(2).astype(str)).set(
            pl.Series(draw.random(rows) < 0.1 * (years - years.min())), None
        )
        column = Column(f"noise {number}", texts, texts.cast(pl.Float64))
        assert leaks.known_afterwards(column, loans) is None
        levels = pl.Series([f"L{n}" for n in draw.geometric(0.2, rows)])
        assert leaks.known_afterwards(Column(f"levels {number}", levels), loans) is None
    assert columns
