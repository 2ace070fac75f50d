import numpy as np
import polars as pl
import pytest

from facility_loans import facilities, loans_of
from loan_default.drafting.columns import read
from loan_default.drafting.suspicion import judge

ROWS = 4_000
LOANS, COLUMNS = loans_of(facilities(ROWS))
ISSUED = COLUMNS["booked_day"].texts


def place(name: str, values: object) -> str | None:
    texts = pl.Series(values).cast(pl.String)
    found = judge(read(name, texts, ISSUED, "days since 1970-01-01"), LOANS)
    return found.place if found else None


def drawn(values: list[str] | np.ndarray) -> np.ndarray:
    return np.random.default_rng(4).choice(values, ROWS)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("owner_age", drawn(np.arange(20, 80))),
        ("code_a", drawn(["M", "F"])),
        ("code_b", drawn(["married", "single", "divorced", "unknown"])),
        ("area", drawn(["North", "South", "East", "West"])),
        ("area", drawn([f"LS{n} {n % 9}AB" for n in range(1, 40)])),
        ("area", drawn([f"0{n}" for n in range(1_000, 1_100)])),
        ("area", drawn([f"{n}xx" for n in range(100, 160)])),
        ("area", drawn([a + b for a in "ABCDE" for b in "FGHIJ"])),
        ("director_day", 17_500 - np.random.default_rng(1).integers(20 * 365, 70 * 365, ROWS)),
        ("remarks", [f"he wants a new van {n}" for n in range(ROWS)]),
    ],
)
def test_a_proxy_is_set_apart_by_its_name_or_its_values(name: str, values: object) -> None:
    assert place(name, values) == "proxies"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("business_age", drawn(np.arange(1, 80))),
        ("product", drawn([a + b for a in "ABCDEFG" for b in "12345"])),
        ("amount", drawn(np.arange(10_000, 90_000, 100))),
        ("enquiries_last_6_months", drawn(np.arange(9))),
        ("size", drawn(["S", "M", "L"])),
    ],
)
def test_what_only_looks_like_a_proxy_stays(name: str, values: object) -> None:
    assert place(name, values) is None


def test_ids_constants_and_empty_columns_are_unused() -> None:
    assert place("customer key", [f"K{n}" for n in range(ROWS)]) == "unused"
    assert place("branch", ["main"] * ROWS) == "unused"
    assert place("branch", pl.Series([None] * ROWS, dtype=pl.String)) == "unused"


def test_numbers_with_a_decimal_comma_are_told_as_such() -> None:
    texts = pl.Series([f"{n}.{n % 900 + 100},50 €" for n in range(1, ROWS + 1)])
    found = judge(read("Betrag", texts, ISSUED, "days since 1970-01-01"), LOANS)
    assert found and found.place == "unused" and "decimal comma" in found.why
