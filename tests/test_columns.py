import io
import re
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lendingclub
from lendingclub import CONTRACT, EXPORT, KNOWN_AFTERWARDS, PROXIES, RAW_SOURCE, RECORD
from loan_default import columns
from loan_default.columns import ID
from loan_default.data.ingest import open_loans
from loan_default.model import features
from loan_default.synthetic import generator

# Told by its name in the data dictionary: what the lender learns while the loan runs.
SOUNDS_LATER = re.compile(
    r"loan_status|pymnt_plan|funded_amnt.*|out_prncp.*|total_(pymnt|rec_).*|.*recover.*|last_.*"
    r"|next_.*|hardship_.*|deferral_.*|payment_plan_.*|orig_projected_.*|(debt_)?settlement_.*"
)
SOURCES = {RAW_SOURCE.get(name, name) for name in (*lendingclub.NAMES, columns.ISSUE_MONTH)}
OTHERS = [name for name in EXPORT if name not in SOURCES]


@pytest.fixture(scope="module")
def loans() -> pl.DataFrame:
    """2,000 generated loans of the export, every cell as text."""
    frame = next(generator.generate(2_000, 3)).frame
    csv = generator.csv_header() + generator.csv_lines(frame)
    return pl.read_csv(io.BytesIO(csv), infer_schema=False)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    folder, number = tmp_path_factory.mktemp("columns"), count()

    def write(frame: pl.DataFrame) -> str:
        path = folder / f"{next(number)}.csv"
        frame.write_csv(path)
        return str(path)

    return write


def matrix(path: str, labelled: bool) -> np.ndarray:
    with open_loans(path, CONTRACT, labelled=labelled) as reader:
        found = np.concatenate([features.matrix(block.records, CONTRACT) for block in reader])
        assert reader.rows_rejected == 0, reader.rejected
    return found


def another_value(loans: pl.DataFrame, name: str) -> str:
    """What some other loan has there, else something that could be there."""
    others = loans[name].drop_nulls().unique(maintain_order=True)
    others = others.filter(others != (loans[name][0] or ""))
    return str(others[0]) if len(others) else "7"


def test_the_export_has_151_columns_each_once():
    assert len(EXPORT) == len(set(EXPORT)) == 151


def test_generated_loans_have_the_columns_of_the_export(loans):
    assert tuple(loans.columns) == EXPORT
    assert generator.csv_header().decode().strip().split(",") == list(EXPORT)


def test_the_real_export_has_the_columns_of_the_export(real_loans: Path):
    assert tuple(pl.read_csv(real_loans, n_rows=1, infer_schema=False).columns) == EXPORT


def test_every_column_of_the_record_comes_from_one_column_of_the_export():
    assert len(SOURCES) == len(RECORD) + 1
    assert SOURCES <= set(EXPORT)


def test_known_afterwards_is_every_column_whose_name_says_so():
    assert KNOWN_AFTERWARDS == {name for name in EXPORT if SOUNDS_LATER.fullmatch(name)}


def test_the_record_holds_nothing_known_afterwards():
    assert not KNOWN_AFTERWARDS & SOURCES
    assert not KNOWN_AFTERWARDS & set(lendingclub.FEATURES)


def test_where_the_applicant_lives_is_never_a_feature():
    assert PROXIES == {"zip_code", "addr_state"}
    assert PROXIES <= set(EXPORT)
    assert not PROXIES & (SOURCES | set(lendingclub.FEATURES))


def test_the_outcome_and_the_id_are_no_columns_of_the_record():
    assert not {ID, columns.DEFAULT, lendingclub.STATUS, columns.ISSUE_MONTH} & set(
        lendingclub.NAMES
    )


@pytest.mark.parametrize("labelled", [True, False])
def test_a_changed_cell_reaches_the_features_from_the_record_columns_and_from_no_other(
    loans, write, labelled
):
    rows = pl.concat([loans[:1]] * (1 + len(EXPORT))).with_columns(
        pl.Series(ID, [f"loan {place}" for place in range(1 + len(EXPORT))])
    )
    place = pl.int_range(pl.len())
    changed = rows.with_columns(
        pl.when(place == number)
        .then(pl.lit(another_value(loans, name)))
        .otherwise(name)
        .alias(name)
        for number, name in enumerate(EXPORT, start=1)
        if name != ID
    )
    base, *others = matrix(write(changed), labelled)
    reaching = {
        name
        for name, row in zip(EXPORT, others, strict=True)
        if not np.array_equal(row, base, equal_nan=True)
    }
    assert reaching == SOURCES


@pytest.mark.parametrize("labelled", [True, False])
def test_the_features_stay_the_same_when_every_other_column_is_shuffled(loans, write, labelled):
    shuffled = loans.with_columns(
        loans[name].shuffle(seed=number) for number, name in enumerate(OTHERS)
    )
    assert not shuffled.equals(loans)
    before, after = matrix(write(loans), labelled), matrix(write(shuffled), labelled)
    assert before.tobytes() == after.tobytes()


def test_the_features_stay_the_same_without_every_other_column(loans, write):
    alone = loans.select(name for name in EXPORT if name in SOURCES)
    before, after = matrix(write(loans), False), matrix(write(alone), False)
    assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("column", RECORD, ids=lambda column: column.name)
def test_a_column_states_its_unit_and_range_or_its_levels(column):
    if column.kind == "number":
        assert column.low < column.high and column.unit and not column.levels
    else:
        assert len(set(column.levels)) == len(column.levels) > 1 and not column.unit


def test_the_core_is_what_no_application_is_without():
    assert lendingclub.CORE == ("loan_amnt", "term", "int_rate", "annual_inc")


def test_ordered_levels_go_from_the_best_risk_to_the_worst():
    assert [column.name for column in RECORD if column.ordered] == ["grade", "sub_grade"]
    for name in ("grade", "sub_grade"):
        assert list(lendingclub.BY_NAME[name].levels) == sorted(lendingclub.BY_NAME[name].levels)


def test_prices_that_the_lender_set_give_no_reason_and_all_else_does():
    unexplained = {column.name for column in RECORD if column.reason is None}
    assert unexplained == {"grade", "sub_grade", "int_rate", "installment"}
