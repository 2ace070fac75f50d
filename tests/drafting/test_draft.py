"""A draft of an unknown portfolio: every leak set apart, and trained on with no edit."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from facility_loans import HONEST, PROXIES, facilities
from lendingclub import CONTRACT
from loan_default.contract.load import load
from loan_default.data.ingest import open_loans
from loan_default.drafting.draft import draft
from loan_default.errors import InputError
from workshop_loans import LEAKS, portfolio, write

ANSWERS: dict[str, str | None] = {
    "id": None,
    "issued": "Start Day",
    "term": "Months Agreed",
    "outcome": "Verdict",
    "default_when": "soured",
}


def drafted(tmp_path: Path, **more: str | None) -> dict[str, Any]:
    path = tmp_path / "contract.toml"
    path.unlink(missing_ok=True)
    return draft(str(write(tmp_path)), str(path), ANSWERS | more)


def test_every_leak_is_set_apart_and_every_application_column_becomes_a_feature(
    tmp_path: Path,
) -> None:
    found = drafted(tmp_path)
    assert set(found["known_afterwards"]) == LEAKS
    assert found["proxies"] == ["Postcode"]
    assert found["unused"] == ["Branch Type"]
    assert set(found["features"]) == {"term", "credit_amount", "turnover", "staff", "sector"}
    assert found["outcome"] == {"honoured": 0, "soured": 1}
    contract = load(found["contract_path"])
    assert contract.date_form("Start Day") == "days since 1970-01-01"
    assert contract.loan.known_through == ("Closing Day",)
    assert contract.core == ("term", "credit_amount")
    assert contract.by_name["sector"].levels == ("Bakery", "Car repair", "Joinery")
    assert "missing: 1" in contract.text or "missing: 9%" in contract.text


def test_an_id_is_known_by_its_name_and_values(tmp_path: Path) -> None:
    assert load(drafted(tmp_path)["contract_path"]).loan.id == "Contract Ref"
    found = drafted(tmp_path, id="Postcode")
    assert load(found["contract_path"]).loan.id == "Postcode"
    assert found["unused"] == ["Contract Ref", "Branch Type"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"outcome": "Verdicts"}, "--outcome Verdicts: there is no such column"),
        ({"default_when": "bad"}, "--default-when bad: Verdict holds honoured, soured"),
        ({"default_when": None}, "give --default-when WORD: Verdict holds honoured (3432), soured"),
        ({"issued": "Sector"}, "--issued Sector: it holds no dates"),
        ({"term": "Sector"}, "--term Sector: it holds no numbers of months"),
        ({"term": None}, "give --term COLUMN"),
        ({"outcome": None}, "give --outcome COLUMN"),
    ],
)
def test_what_cannot_be_guessed_is_asked_for(
    tmp_path: Path, more: dict[str, str | None], told: str
) -> None:
    with pytest.raises(InputError) as error:
        drafted(tmp_path, **more)
    assert told in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "contract.toml").exists()


def test_edits_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "contract.toml").write_text("name = 'edited'")
    with pytest.raises(InputError, match="it may hold your edits"):
        draft(str(write(tmp_path)), str(tmp_path / "contract.toml"), ANSWERS)


def test_noise_is_no_leak(tmp_path: Path) -> None:
    import numpy as np

    draw = np.random.default_rng(1)
    loans = portfolio().with_columns(
        pl.Series("Noise", draw.normal(size=4_000)), pl.Series("Rare", draw.integers(0, 50, 4_000))
    )
    loans.write_csv(tmp_path / "noise.csv")
    found = draft(str(tmp_path / "noise.csv"), str(tmp_path / "c.toml"), ANSWERS)
    assert {"noise", "rare"} <= set(found["features"])
    assert json.dumps(found)


@pytest.mark.parametrize("layout", ["semicolons.csv", "bars.csv", "tabs.csv", "floats.parquet"])
def test_the_layout_of_the_file_changes_nothing(tmp_path: Path, layout: str) -> None:
    loans = portfolio().with_columns(Verdict=(pl.col("Verdict") == "soured").cast(pl.Float64))
    path = tmp_path / layout
    if layout.endswith("parquet"):
        loans.with_columns(pl.col("Start Day").cast(pl.Float64)).write_parquet(path)
    else:
        separator = {"s": ";", "b": "|", "t": "\t"}[layout[0]]
        whole = pl.col("Verdict").cast(int)
        loans.with_columns(whole).write_csv(path, separator=separator)
    found = draft(str(path), str(tmp_path / "c.toml"), ANSWERS | {"default_when": "1"})
    assert found["outcome"] == {"0": 0, "1": 1}
    assert set(found["known_afterwards"]) == LEAKS
    contract = load(found["contract_path"])
    with open_loans(str(path), contract, labelled=True) as reader:
        assert sum(block.records.height for block in reader) == 4_000


def test_amounts_with_a_sign_become_numbers_and_monthly_ones_yearly(tmp_path: Path) -> None:
    facilities().write_csv(tmp_path / "loans.csv")
    answers = ANSWERS | {"issued": "booked_day", "term": "tenor_m", "outcome": "outcome"}
    draft(str(tmp_path / "loans.csv"), str(tmp_path / "c.toml"), answers | {"default_when": "lost"})
    contract = load(str(tmp_path / "c.toml"))
    assert contract.by_name["facility_amount"].unit == "pounds"
    assert contract.by_name["facility_amount"].core
    assert contract.by_name["yearly_turnover"].scale == 12
    assert contract.by_name["yearly_turnover"].source == "turnover_pm"
    assert contract.price == ("margin_pct",)
    assert {column.source for column in contract.record} == HONEST
    assert contract.never.proxies == PROXIES


def test_columns_that_are_read_alike_are_refused(tmp_path: Path) -> None:
    portfolio().with_columns(pl.lit(1).alias("staff")).write_csv(tmp_path / "loans.csv")
    with pytest.raises(InputError, match="'Staff' and 'staff' are read alike"):
        draft(str(tmp_path / "loans.csv"), str(tmp_path / "c.toml"), ANSWERS)


def test_names_in_other_scripts_become_names_of_their_own(tmp_path: Path) -> None:
    named = portfolio().rename({"Turnover": "Umsätze", "Staff": "人数", "Credit Amount": "金額"})
    named.write_csv(tmp_path / "loans.csv")
    draft(str(tmp_path / "loans.csv"), str(tmp_path / "c.toml"), ANSWERS)
    by_source = {c.source: c.name for c in load(str(tmp_path / "c.toml")).record}
    assert by_source["Umsätze"] == "umsatze"
    assert {by_source["人数"], by_source["金額"]} == {"column", "column_2"}


def test_every_leak_of_real_loans_is_set_apart_and_no_honest_column(
    real_loans: Path, tmp_path: Path
) -> None:
    bad = "Charged Off,Does not meet the credit policy. Status:Charged Off"
    answers = dict.fromkeys(ANSWERS) | {"default_when": bad, "open_when": ""}
    found = draft(str(real_loans), str(tmp_path / "c.toml"), answers)
    never = CONTRACT.never
    funded = {"funded_amnt", "funded_amnt_inv"}  # known when the loan was granted
    assert not never.known_afterwards - funded & {
        column.source for column in load(str(tmp_path / "c.toml")).record
    }
    apart = set(found["known_afterwards"]) | set(found["proxies"])
    assert not apart & {column.source for column in CONTRACT.record}
