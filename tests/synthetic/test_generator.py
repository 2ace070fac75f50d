import re

import polars as pl
import pytest

import lendingclub
from generated_loans import LATE_BUREAU, NEWEST_BUREAU, csv, export, made, texts
from lendingclub import CONTRACT
from loan_default.data import parsing, readers
from loan_default.synthetic import generator
from loan_default.synthetic.layout import TEXTS, month_index


def test_rows_and_seed_decide_every_byte() -> None:
    assert csv(3_000, 1) == csv(3_000, 1)
    assert csv(3_000, 1) != csv(3_000, 2)


def test_chunks_have_random_streams_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "CHUNK_ROWS", 500)
    first, second, last = generator.generate(1_200, 1)
    assert (first.frame.height, second.frame.height, last.frame.height) == (500, 500, 200)
    assert first.frame["annual_inc"].to_list() != second.frame["annual_inc"].to_list()
    assert first.frame.schema == last.frame.schema


def test_a_chunk_comes_at_once_however_many_are_to_follow() -> None:
    chunk = next(generator.generate(1_000_000_000, 1))
    assert chunk.frame.height == generator.CHUNK_ROWS


def test_one_loan_is_enough() -> None:
    (chunk,) = generator.generate(1, 1)
    assert chunk.frame.height == len(chunk.default_probability) == 1


def test_the_layout_is_that_of_the_export() -> None:
    assert generator.csv_header().decode().rstrip("\n").split(",") == list(lendingclub.EXPORT)
    assert tuple(made()[0].frame.columns) == lendingclub.EXPORT


def test_the_footer_reads_as_in_the_real_export(real_loans: str) -> None:
    with readers.open_table(str(real_loans), lendingclub.EXPORT) as table:
        cells = pl.concat(block.cells for block in table.blocks).drop("row")
    generated = generator.csv_footer(210_017_525).decode()
    real = cells.tail(2).write_csv(include_header=False)
    assert generated == real


def test_numbers_are_plain_and_have_two_decimals_at_most() -> None:
    cells = texts(5_000, 3)
    numbers = [name for name, dtype in made()[0].frame.schema.items() if dtype.is_numeric()]
    for name in numbers:
        for text in cells[name].drop_nulls().unique():
            assert re.fullmatch(r"\d+(\.\d{1,2})?", text), (name, text)


def test_texts_need_no_quotes() -> None:
    for choices in TEXTS.values():
        assert not any(set(text) & set(',"\n') for text in choices)


def test_texts_read_as_in_the_export() -> None:
    frame = export()
    assert set(frame["term"].unique()) == {" 36 months", " 60 months"}
    assert frame["issue_d"].cast(pl.String).str.contains(r"^[A-Z][a-z]{2}-20(0[7-9]|1[0-8])$").all()
    assert {"< 1 year", "10+ years", "n/a"} < set(frame["emp_length"].unique())
    assert frame["zip_code"].cast(pl.String).str.contains(r"^\d{3}xx$").all()


def test_every_loan_keeps_the_contract() -> None:
    parsed = parsing.parse(texts(20_000, 4).with_row_index("row"), CONTRACT, labelled=True)
    assert parsed.rejected.is_empty()
    for column in lendingclub.RECORD:
        values = parsed.records[column.name].drop_nulls()
        if column.kind == "number":
            assert values.is_between(column.low, column.high).all(), column.name
        else:
            assert set(values.unique()) <= set(column.levels), column.name


def test_ids_are_unique_and_months_fall() -> None:
    assert export()["id"].n_unique() == export().height
    assert export()["month"].is_sorted(descending=True)


def test_volumes_grow_like_lendingclubs() -> None:
    years = export().group_by(pl.col("month") // 12).len().sort("month")
    shares = dict(zip(years["month"], years["len"] / export().height))
    assert shares[2018] == pytest.approx(495_242 / 2_260_668, abs=1e-3)
    assert shares[2010] == pytest.approx(12_537 / 2_260_668, abs=1e-3)
    assert min(shares) == 2007


@pytest.mark.parametrize(
    ("names", "year"), [(LATE_BUREAU, 2012), (NEWEST_BUREAU, 2016), (["bc_open_to_buy"], 2012)]
)
def test_bureau_columns_are_empty_before_the_export_had_them(names: list[str], year: int) -> None:
    since = pl.col("month") >= month_index(year, 1)
    assert export().filter(~since).select(pl.col(names).is_null().all()).row(0) == (True,) * len(
        names
    )
    filled = export().filter(since).select(pl.col(names).is_not_null().mean()).row(0)
    assert min(filled) > 0.2


def test_sixty_months_are_offered_from_2010_on() -> None:
    long = pl.col("term") == " 60 months"
    by_year = export().group_by(pl.col("month") // 12).agg(long.mean()).sort("month")
    shares = dict(by_year.iter_rows())
    assert shares[2008] == shares[2009] == 0
    assert all(0.1 < shares[year] < 0.45 for year in range(2010, 2019))


def test_joint_applications_come_late_and_fill_the_joint_columns() -> None:
    joint = export().filter(pl.col("application_type") == "Joint App")
    assert joint["month"].min() >= month_index(2015, 10)
    assert joint["annual_inc_joint"].is_not_null().all()
    assert (joint["annual_inc_joint"] > joint["annual_inc"]).all()
    alone = export().filter(pl.col("application_type") == "Individual")
    assert alone["dti_joint"].is_null().all() and alone["sec_app_open_acc"].is_null().all()


def test_medians_and_missing_shares_are_plausible() -> None:
    frame = export()
    assert frame["annual_inc"].median() == pytest.approx(65_000, rel=0.05)
    assert frame["dti"].mean() == pytest.approx(18.5, abs=1.5)
    assert frame["revol_util"].mean() == pytest.approx(50, abs=5)
    assert frame["loan_amnt"].mean() == pytest.approx(15_000, rel=0.1)
    assert frame["mths_since_last_delinq"].is_null().mean() == pytest.approx(0.5, abs=0.05)
    assert frame["mths_since_last_record"].is_null().mean() == pytest.approx(0.84, abs=0.05)
    assert frame["desc"].is_null().mean() > 0.9


def test_amounts_and_scores_keep_lendingclubs_steps() -> None:
    frame = export()
    assert frame["loan_amnt"].is_between(500, 40_000).all()
    assert (frame["loan_amnt"] % 25 == 0).all()
    assert (frame["fico_range_low"] % 5 == 0).all()
    assert (frame["fico_range_high"] == frame["fico_range_low"] + 4).all()


def test_grades_and_rates_follow_the_risk() -> None:
    frame = export()
    sub_grade = frame["sub_grade"].cast(pl.String)
    assert (sub_grade.str.slice(0, 1) == frame["grade"].cast(pl.String)).all()
    by_grade = frame.group_by("grade").agg(pl.col("int_rate", "truth").mean()).sort("grade")
    assert by_grade["int_rate"].is_sorted() and by_grade["truth"].is_sorted()
    one_month = frame.filter(pl.col("issue_d") == "Oct-2015")
    rates = one_month.group_by("sub_grade").agg(pl.col("int_rate").n_unique())
    assert rates["int_rate"].max() == 1
