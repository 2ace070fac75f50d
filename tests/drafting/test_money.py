"""The guesses of the money, the month of default and the month through which outcomes are known."""

from pathlib import Path

import polars as pl

from facility_loans import ANSWERS, facilities
from loan_default.contract.contract import Contract
from loan_default.contract.load import load
from loan_default.drafting.draft import draft


def contract_of(tmp_path: Path, table: pl.DataFrame) -> Contract:
    table.write_csv(tmp_path / "loans.csv")
    draft(str(tmp_path / "loans.csv"), str(tmp_path / "c.toml"), ANSWERS)
    return load(str(tmp_path / "c.toml"))


def test_the_money_is_what_was_lent_and_what_came_back(tmp_path: Path) -> None:
    money = contract_of(tmp_path, facilities()).money
    assert money is not None
    assert (money.lent, money.returned) == ("facility_amount", "final_settlement")
    assert (money.recovered, money.recovery_fee) == ("recoveries_gbp", None)
    assert (money.amount, money.price) == ("facility_amount", "margin_pct")


def test_without_what_came_back_there_is_no_guess(tmp_path: Path) -> None:
    assert contract_of(tmp_path, facilities().drop("final_settlement")).money is None


def test_the_month_of_default_is_that_of_the_likeliest_date(tmp_path: Path) -> None:
    loans = facilities()
    month = contract_of(tmp_path, loans).outcome.default_month
    assert month and (month.column, month.plus_months) == ("last_contact", 0)
    (tmp_path / "c.toml").unlink()
    paid = pl.col("last_contact").alias("last_paid_day")
    month = contract_of(tmp_path, loans.with_columns(paid)).outcome.default_month
    assert month and (month.column, month.plus_months) == ("last_paid_day", 3)
    (tmp_path / "c.toml").unlink()
    lost = pl.when(pl.col("outcome") == "lost").then("last_contact").alias("lost_day")
    month = contract_of(tmp_path, loans.with_columns(paid, lost)).outcome.default_month
    assert month and (month.column, month.plus_months) == ("lost_day", 0)


def test_a_date_that_was_planned_does_not_tell_what_is_known(tmp_path: Path) -> None:
    loans = facilities()
    planned = (pl.col("booked_day") + (pl.col("tenor_m") * 30.4375).cast(int)).alias("ends_day")
    due = (pl.col("last_contact") + 400).alias("next_due_day")
    contract = contract_of(tmp_path, loans.with_columns(planned, due))
    assert contract.loan.known_through == ("last_contact",)
    assert {"ends_day", "next_due_day"} <= contract.never.known_afterwards
