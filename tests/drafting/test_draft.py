"""A draft of an unknown portfolio: every leak set apart, and trained on with no edit."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loan_default.contract.load import load
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
    assert set(found["unused"]) == {"Contract Ref", "Branch Type"}
    assert set(found["features"]) == {"term", "credit_amount", "turnover", "staff", "sector"}
    assert found["outcome"] == {"honoured": 0, "soured": 1}
    contract = load(found["contract_path"])
    assert contract.date_form("Start Day") == "days since 1970-01-01"
    assert contract.loan.known_through == ("Closing Day",)
    assert contract.core == ("term", "credit_amount")
    assert contract.by_name["sector"].levels == ("Bakery", "Car repair", "Joinery")
    assert "missing: 1" in contract.text or "missing: 9%" in contract.text


def test_an_id_that_is_named_joins_the_outcomes(tmp_path: Path) -> None:
    found = drafted(tmp_path, id="Contract Ref")
    assert load(found["contract_path"]).loan.id == "Contract Ref"
    assert found["unused"] == ["Branch Type"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"outcome": "Verdicts"}, "--outcome Verdicts: there is no such column"),
        ({"default_when": "bad"}, "--default-when bad: Verdict holds honoured, soured"),
        ({"default_when": None}, "give --default-when WORD: Verdict holds honoured, soured"),
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
