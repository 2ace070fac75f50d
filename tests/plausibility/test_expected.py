"""What a reference sample tells about each column."""

import polars as pl

from lendingclub import CONTRACT
from loan_default.plausibility.expected import Expected, of_contract, of_reference
from records import typed_loans


def test_the_contract_tells_the_usual_span_alone() -> None:
    known = of_contract(CONTRACT)
    assert known["dti"] == Expected(usual=(1, 60)) and known["grade"] == Expected()
    assert set(known) == set(CONTRACT.names)


def test_a_reference_tells_span_missing_share_commonest_value_and_levels() -> None:
    loans = typed_loans(1_000).with_columns(
        dti=pl.Series([None] * 100 + [0.0] * 100 + [float(n) for n in range(1, 801)])
    )
    known = of_reference(loans, CONTRACT)
    dti = known["dti"]
    assert dti.usual and (round(dti.usual[0]), round(dti.usual[1])) == (9, 792)
    assert (dti.missing, dti.commonest, dti.values) == (0.1, 100 / 900, None)
    assert known["term"].values == frozenset(loans["term"].unique())
    assert known["home_ownership"].values == frozenset(loans["home_ownership"].unique())


def test_a_column_that_the_reference_lacks_is_known_from_the_contract() -> None:
    loans = typed_loans(300)
    assert of_reference(loans.drop("dti"), CONTRACT)["dti"] == Expected(usual=(1, 60))
    assert of_reference(loans.clear(), CONTRACT) == of_contract(CONTRACT)
    # Too few values above zero
    assert of_reference(loans.head(50), CONTRACT)["dti"].usual == (1, 60)
