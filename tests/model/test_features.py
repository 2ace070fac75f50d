import csv
import io
import json
from itertools import count

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lendingclub
from applications import APPLICATIONS, ISSUED, Application, raw
from lendingclub import BY_NAME, CONTRACT
from lendingclub import FEATURES as NAMES
from lendingclub import RECORD
from loan_default.data.ingest import open_loans
from loan_default.data.parsing import parse
from loan_default.model import features
from loan_default.model.features import LARGEST, matrix, types
from properties import tries

QUICK = tries(15)
CORE = {"loan_amnt": 10_000, "term": 36, "int_rate": 13.5, "annual_inc": 60_000}


def typed(application: Application) -> dict[str, str]:
    return {name: "" if value is None else f"{value}" for name, value in application.items()}


def from_json(application: Application) -> np.ndarray:
    return of(pl.DataFrame([json.loads(json.dumps(application))]))


def of(cells: pl.DataFrame) -> np.ndarray:
    """The features of cells that all make records."""
    numbers = pl.Series("row", range(1, cells.height + 1), pl.Int64)
    parsed = parse(cells.with_columns(numbers), CONTRACT)
    assert parsed.rejected.is_empty(), parsed.rejected["reason"][0]
    return matrix(parsed.records, CONTRACT)


def feature(name: str, **cells: object) -> float:
    return float(of(pl.DataFrame(CORE | cells))[0, NAMES.index(name)])


@pytest.fixture(scope="module")
def from_csv(tmp_path_factory):
    folder, number = tmp_path_factory.mktemp("features"), count()

    def read(rows: list[dict[str, str]]) -> np.ndarray:
        path = folder / f"{next(number)}.csv"
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path.write_bytes(text.getvalue().encode())
        with open_loans(str(path), CONTRACT, run_month=ISSUED) as reader:
            found = np.concatenate([matrix(block.records, CONTRACT) for block in reader])
            assert reader.rows_rejected == 0, reader.rejected
        return found

    return read


@pytest.mark.thorough
@QUICK
@given(st.lists(APPLICATIONS, min_size=1, max_size=3), st.booleans())
def test_a_raw_row_typed_csv_and_json_give_the_same_features_bit_by_bit(
    from_csv, applications, issued
):
    by_raw = from_csv([raw(application, issued) for application in applications])
    by_csv = from_csv([typed(application) for application in applications])
    by_json = np.concatenate([from_json(application) for application in applications])
    assert by_raw.tobytes() == by_csv.tobytes() == by_json.tobytes()
    for row, application in zip(by_raw, applications, strict=True):
        for column in RECORD:
            found, given_ = row[NAMES.index(column.name)], application[column.name]
            if column.kind == "number" and given_ is not None:
                assert found == np.float32(given_)
            elif given_ is None:
                assert np.isnan(found)


@pytest.mark.thorough
@QUICK
@given(st.lists(APPLICATIONS, min_size=2, max_size=3))
def test_a_row_alone_has_the_features_it_has_among_others(applications):
    frame = pl.DataFrame(applications, infer_schema_length=None)
    together = of(frame)
    alone = [of(frame[place]) for place in range(frame.height)]
    assert together.tobytes() == np.concatenate(alone).tobytes()


@QUICK
@given(APPLICATIONS)
def test_no_feature_is_ever_infinite(application):
    assert not np.isinf(from_json(application)).any()


def test_the_matrix_is_float32_with_a_column_for_each_feature():
    found = of(pl.DataFrame([CORE] * 3))
    assert found.shape == (3, len(NAMES)) and found.dtype == np.float32
    assert NAMES == (*lendingclub.NAMES, "loan_to_income", "revolving_balance_to_income")


def test_slices_of_many_records_come_in_their_order(monkeypatch):
    whole = of(pl.DataFrame([CORE | {"loan_amnt": 1000 + n} for n in range(7)]))
    monkeypatch.setattr(features, "SLICE_ROWS", 3)
    sliced = of(pl.DataFrame([CORE | {"loan_amnt": 1000 + n} for n in range(7)]))
    assert sliced.tobytes() == whole.tobytes() and len(np.unique(sliced[:, 0])) == 7


def test_no_records_give_a_matrix_without_rows():
    cells = pl.DataFrame({"row": [1]} | CORE).clear()
    assert matrix(parse(cells, CONTRACT).records, CONTRACT).shape == (0, len(NAMES))


def test_numbers_keep_the_units_that_people_use():
    names = ["int_rate", "term", "annual_inc", "loan_amnt", "dti"]
    records = parse(pl.DataFrame({"row": [1]} | CORE | {"dti": 21.25}), CONTRACT).records
    assert matrix(records, CONTRACT, names).tolist() == [[13.5, 36, 60_000, 10_000, 21.25]]


def test_features_come_in_the_order_that_is_asked_for():
    records = parse(pl.DataFrame({"row": [1]} | CORE | {"grade": "C"}), CONTRACT).records
    every = dict(zip(NAMES, matrix(records, CONTRACT)[0]))
    for names in (["grade", "term"], ["loan_to_income", "term", "grade"], []):
        assert matrix(records, CONTRACT, names).tolist() == [[every[name] for name in names]]


def test_an_unknown_feature_is_a_key_error():
    with pytest.raises(KeyError, match="zip_code"):
        matrix(
            parse(pl.DataFrame({"row": [1]} | CORE), CONTRACT).records,
            CONTRACT,
            ["term", "zip_code"],
        )


def test_what_is_missing_is_nan():
    found = of(pl.DataFrame(CORE))[0]
    known = {*CORE, "loan_to_income"}
    assert {name for name, value in zip(NAMES, found) if not np.isnan(value)} == known


@pytest.mark.parametrize(
    "column", [c for c in RECORD if c.kind == "category"], ids=lambda c: c.name
)
def test_a_category_becomes_the_place_of_its_level(column):
    cells = pl.DataFrame([CORE | {column.name: level} for level in column.levels])
    found = of(cells)[:, NAMES.index(column.name)]
    assert found.tolist() == list(range(len(column.levels)))


@pytest.mark.parametrize("text", ["H", "CC", "A1", "", None])
def test_an_unknown_or_missing_category_is_nan(text):
    assert np.isnan(feature("grade", grade=text))
    assert np.isnan(feature("home_ownership", home_ownership=text))


def test_better_grades_have_lower_ranks():
    ranks = [feature("grade", grade=grade) for grade in "ABCDEFG"]
    assert ranks == sorted(ranks) and len(set(ranks)) == 7
    assert feature("sub_grade", sub_grade="A5") + 1 == feature("sub_grade", sub_grade="B1")


def test_a_model_brings_the_levels_that_it_learned_with():
    records = parse(
        pl.DataFrame({"row": [1, 2, 3], "grade": ["B", "A", "C"]} | CORE), CONTRACT
    ).records
    found = matrix(records, CONTRACT, ["grade"], {"grade": ["C", "B"]})[:, 0]
    assert np.array_equal(found, [1, np.nan, 0], equal_nan=True)


def test_the_ratios_are_shares_of_the_income():
    assert feature("loan_to_income", loan_amnt=15_000, annual_inc=60_000) == 0.25
    assert feature("revolving_balance_to_income", revol_bal=30_000) == 0.5
    assert feature("revolving_balance_to_income", revol_bal=0) == 0


def test_a_ratio_to_no_income_or_of_nothing_known_is_missing():
    assert np.isnan(feature("loan_to_income", annual_inc=0))
    assert np.isnan(feature("revolving_balance_to_income", annual_inc=0, revol_bal=0))
    assert np.isnan(feature("revolving_balance_to_income", revol_bal=None))
    nothing = pl.DataFrame(
        {c.name: [None] for c in RECORD}, schema_overrides={"annual_inc": pl.Float64}
    )
    assert np.isnan(matrix(nothing, CONTRACT)).all()


@pytest.mark.parametrize("income", [5e-324, 1e-300, 1e-40])
def test_a_ratio_to_next_to_no_income_is_large_and_finite(income):
    assert feature("loan_to_income", annual_inc=income) == np.float32(LARGEST)
    assert feature("loan_to_income", annual_inc=0.01) == 1_000_000


def test_only_unordered_categories_are_categories_to_the_booster():
    by_name = dict(zip(NAMES, types(NAMES, CONTRACT), strict=True))
    assert {name for name, kind in by_name.items() if kind == "c"} == {
        "home_ownership",
        "verification_status",
        "purpose",
        "application_type",
    }
    assert set(by_name.values()) == {"c", "q"}
    assert types(["purpose", "grade", "dti"], CONTRACT) == ["c", "q", "q"]


def test_every_feature_has_a_direction_of_risk_and_a_reason_or_none():
    assert tuple(lendingclub.RISKS) == tuple(lendingclub.REASONS) == NAMES
    assert set(lendingclub.RISKS.values()) == {-1, 0, 1}
    assert lendingclub.REASONS["loan_to_income"] == BY_NAME["annual_inc"].reason
    for name in ("home_ownership", "purpose", "verification_status", "application_type"):
        assert lendingclub.RISKS[name] == 0
