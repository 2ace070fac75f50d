import pytest

from lendingclub import CONTRACT, CORE, EXPORT
from loan_default.contract import load as contracts
from loan_default.contract.matching import canonical, is_known, nearly, require_half, without_id
from loan_default.data.parsing import require_core
from loan_default.errors import InputError

ALSO = contracts.parse(
    CONTRACT.text.replace("[columns.dti]\n", '[columns.dti]\nalso = ["DebtToIncome"]\n'), "x.toml"
)


def test_the_exports_own_names_stay() -> None:
    assert canonical(EXPORT, CONTRACT) == {}
    assert canonical((*CORE, "issue_month", "id", "default"), CONTRACT) == {}


def test_names_are_compared_as_categories_are_and_others_in_use_are_known() -> None:
    names = ["Loan Amnt", "TERM", "int-rate", "annual.inc", "DebtToIncome", "something else"]
    assert canonical(names, ALSO) == {
        "Loan Amnt": "loan_amnt",
        "TERM": "term",
        "int-rate": "int_rate",
        "annual.inc": "annual_inc",
        "DebtToIncome": "dti",
    }
    assert is_known("Loan Amnt", ALSO) and not is_known("something else", ALSO)


def test_a_column_named_default_is_not_the_platforms_own() -> None:
    assert canonical(["Default", "Issue Month", "Row"], CONTRACT) == {}


@pytest.mark.parametrize("names", [("dti", "DTI"), ("Dti", "DTI"), ("dti", "DebtToIncome")])
def test_two_columns_that_would_be_one_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(InputError, match=f"{names[0]}.* and .*{names[1]}.* are both read as dti"):
        canonical(names, ALSO)


def test_a_column_that_is_nearly_one_is_named() -> None:
    (told,) = nearly([*CORE, "purposes", "zip_code", "weather"], CONTRACT)
    assert told == "the column 'purposes' is not read: is it purpose?"
    assert nearly([*CORE, "purposes", "purpose"], CONTRACT) == []
    assert nearly(EXPORT, CONTRACT) == []


@pytest.mark.parametrize(
    "names, asked",
    [
        (["loan_amnt", "member_id", "LoanID"], ": is it 'LoanID'?"),
        (["Application Number", "term"], ": is it 'Application Number'?"),
        (["member_id", "term"], ": is it 'member_id'?"),
        (["loan_amnt", "term", "paid"], ""),
    ],
)
def test_a_table_without_ids_is_told_which_column_may_hold_them(
    names: list[str], asked: str
) -> None:
    told = without_id(names, CONTRACT)
    assert told == f"no column id, so outcomes cannot be joined with these rows{asked}"


def test_a_table_with_ids_or_of_a_lender_without_them_needs_no_word() -> None:
    assert without_id(["LoanID", "id"], CONTRACT) is None
    own = contracts.parse(CONTRACT.text.replace('id = "id"\n', ""), "x.toml")
    assert own.loan.id is None and without_id(["LoanID"], own) is None


def test_a_file_that_fits_less_than_half_is_refused_with_the_nearest_names() -> None:
    require_half("a.csv", CORE, CONTRACT)
    require_half("a.csv", CORE[:2], CONTRACT)
    with pytest.raises(InputError) as error:
        require_half("a.csv", ["LoanAmount", "soil", "term"], CONTRACT)
    assert "\n" not in str(error.value)
    assert "does not fit the contract of LendingClub: it lacks 3 of 4" in str(error.value)
    assert "loan_amnt (nearest: LoanAmount)" in str(error.value)


def test_a_file_that_fits_half_is_refused_with_the_nearest_names_too() -> None:
    with pytest.raises(InputError) as error:
        require_core("a.csv", ("loan_amnt", "term", "int_rates", "anual_inc"), CONTRACT)
    assert (
        "lacks the columns int_rate (nearest: int_rates), annual_inc (nearest: anual_inc)"
        in str(error.value)
    )


def test_a_column_that_is_read_is_nobodys_nearest() -> None:
    with pytest.raises(InputError) as error:
        require_core("a.csv", ("loan_amnt", "term", "int_rate", "annual_inc_joint"), CONTRACT)
    assert "lacks the columns annual_inc; it has" in str(error.value)
