import io
import re
from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from loan_default import columns, loans, reading, synthetic
from loan_default.synthetic_applications import installment
from loan_default.synthetic_layout import TEXTS, Cells, month_index
from loan_default.synthetic_outcomes import AS_OF, default_probability

FINISHED = ("Fully Paid", "Charged Off")
LATE_BUREAU = (
    "tot_cur_bal bc_util acc_open_past_24mths mort_acc pct_tl_nvr_dlq total_rev_hi_lim num_sats "
    "mths_since_last_major_derog mths_since_recent_inq tot_hi_cred_lim percent_bc_gt_75"
).split()
NEWEST_BUREAU = "open_acc_6m inq_last_12m all_util il_util max_bal_bc total_cu_tl inq_fi".split()


@lru_cache(maxsize=1)
def made() -> tuple[synthetic.Chunk, ...]:
    """60,000 loans, some 21,000 of them matured; shared, for making them takes a second."""
    return tuple(synthetic.generate(60_000, 5))


@lru_cache(maxsize=1)
def export() -> pl.DataFrame:
    """The same loans, with the truth, the outcome and the issue month's index beside the cells."""
    return pl.concat(
        chunk.frame.with_columns(
            truth=chunk.default_probability,
            defaults=chunk.defaults,
            month=chunk.issue_month,
            matured=chunk.matured,
        )
        for chunk in made()
    )


def tally() -> synthetic.Tally:
    counted = synthetic.Tally()
    for chunk in made():
        counted.add(chunk)
    return counted


def csv(rows: int, seed: int) -> bytes:
    lines = [synthetic.csv_lines(chunk.frame) for chunk in synthetic.generate(rows, seed)]
    return synthetic.csv_header() + b"".join(lines)


def texts(rows: int, seed: int) -> pl.DataFrame:
    """The cells as someone reads them who knows no types."""
    return pl.read_csv(io.BytesIO(csv(rows, seed)), infer_schema=False)


def test_rows_and_seed_decide_every_byte() -> None:
    assert csv(3_000, 1) == csv(3_000, 1)
    assert csv(3_000, 1) != csv(3_000, 2)


def test_chunks_have_random_streams_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "CHUNK_ROWS", 500)
    first, second, last = synthetic.generate(1_200, 1)
    assert (first.frame.height, second.frame.height, last.frame.height) == (500, 500, 200)
    assert first.frame["annual_inc"].to_list() != second.frame["annual_inc"].to_list()
    assert first.frame.schema == last.frame.schema


def test_a_chunk_comes_at_once_however_many_are_to_follow() -> None:
    chunk = next(synthetic.generate(1_000_000_000, 1))
    assert chunk.frame.height == synthetic.CHUNK_ROWS


def test_one_loan_is_enough() -> None:
    (chunk,) = synthetic.generate(1, 1)
    assert chunk.frame.height == len(chunk.default_probability) == 1


def test_the_layout_is_that_of_the_export() -> None:
    assert synthetic.csv_header().decode().rstrip("\n").split(",") == list(columns.EXPORT)
    assert tuple(made()[0].frame.columns) == columns.EXPORT


def test_the_footer_reads_as_in_the_real_export(real_loans: str) -> None:
    with reading.open_table(str(real_loans), columns.EXPORT) as table:
        cells = pl.concat(block.cells for block in table.blocks).drop("row")
    generated = synthetic.csv_footer(210_017_525).decode()
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
    parsed = loans.parse(texts(20_000, 4).with_row_index("row"), labelled=True)
    assert parsed.rejected.is_empty()
    for column in columns.RECORD:
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


def test_the_installment_is_the_annuity() -> None:
    assert installment(np.array([10_000.0]), np.array([12.0]), np.array([36.0])) == pytest.approx(
        332.14, abs=0.005
    )
    assert (export()["installment"] * 36 > export()["loan_amnt"] * 0.58).all()


def test_the_truth_is_a_function_of_the_written_record() -> None:
    """Nothing hidden: who reads the file and knows the formula gets the very same probability."""
    (chunk,) = synthetic.generate(20_000, 6)
    parsed = loans.parse(texts(20_000, 6).with_row_index("row"), labelled=True).records
    cells: Cells = {
        name: parsed[name].to_numpy().astype(float)
        for name in columns.NUMBERS
        if name not in ("term", "emp_length")
    }
    for name in columns.CATEGORIES:
        places = {level: place for place, level in enumerate(columns.BY_NAME[name].levels)}
        cells[name] = parsed[name].replace_strict(places).to_numpy()
    cells["term"] = parsed["term"].to_numpy() == 60
    assert np.array_equal(default_probability(cells), chunk.default_probability)


def test_matured_loans_default_as_often_as_the_truth_says() -> None:
    matured = export().filter("matured").sort("truth")
    tenths = matured.with_columns(tenth=pl.int_range(pl.len()) * 10 // pl.len()).group_by("tenth")
    variance = (pl.col("truth") * (1 - pl.col("truth"))).sum().sqrt()
    off = tenths.agg((pl.col("defaults").sum() - pl.col("truth").sum()).abs() / variance)
    assert off["defaults"].max() < 4
    assert 0.15 < matured["defaults"].mean() < 0.20


def test_the_best_reachable_auc_is_0_78() -> None:
    counted = tally()
    assert counted.best_auc() == pytest.approx(0.78, abs=0.012)
    assert counted.best_auc_newest() == pytest.approx(0.78, abs=0.045)
    assert counted.default_rate() == pytest.approx(
        export().filter("matured")["defaults"].mean(), abs=1e-12
    )


@pytest.mark.parametrize("newest", [False, True])
def test_the_auc_expected_of_the_truth_is_within_half_a_point_of_0_78(newest: bool) -> None:
    """Each loan counts as both outcomes, by its probability: the noise of the draws is left out."""
    complete = pl.col("month") + 60 <= AS_OF
    recent = pl.col("month") >= month_index(2013, 11)
    chosen = pl.concat(
        pl.DataFrame({"truth": c.default_probability, "month": c.issue_month}).filter(c.matured)
        for c in synthetic.generate(150_000, 8)
    )
    truth = chosen.filter(complete & recent if newest else True)["truth"].sort().to_numpy()
    pairs = (truth * (np.cumsum(1 - truth) - (1 - truth) / 2)).sum()
    assert pairs / (truth.sum() * (1 - truth).sum()) == pytest.approx(0.78, abs=0.006)


def test_the_tallys_auc_is_that_of_scikit_learn() -> None:
    matured = export().filter("matured")
    expected = roc_auc_score(matured["defaults"], matured["truth"])
    assert tally().best_auc() == pytest.approx(expected, abs=1e-4)
    # Every term has matured in the months through March 2014; a fifth of their loans is the newest.
    complete = matured.filter(pl.col("month") <= month_index(2014, 3))
    by_month = complete.group_by("month").len().sort("month", descending=True)
    first = by_month.filter(pl.col("len").cum_sum() >= 0.2 * complete.height)["month"][0]
    newest = complete.filter(pl.col("month") >= first)
    expected = roc_auc_score(newest["defaults"], newest["truth"])
    assert tally().best_auc_newest() == pytest.approx(expected, abs=1e-3)


def test_a_tally_without_matured_loans_knows_no_rate() -> None:
    empty = synthetic.Tally()
    for chunk in synthetic.generate(1, 1):
        empty.add(chunk)
    assert (empty.default_rate(), empty.best_auc(), empty.best_auc_newest()) == (None, None, None)


def test_matured_loans_are_finished_and_young_ones_mostly_run() -> None:
    matured, young = export().filter("matured"), export().filter(~pl.col("matured"))
    assert set(matured["loan_status"].unique()) == set(FINISHED)
    assert ((matured["loan_status"] == "Charged Off") == matured["defaults"]).all()
    shares = dict(young["loan_status"].cast(pl.String).value_counts(normalize=True).iter_rows())
    assert shares["Current"] > 0.5
    late = ("In Grace Period", "Late (16-30 days)", "Late (31-120 days)")
    assert all(0.001 < shares[status] < 0.05 for status in late)
    assert "Default" in shares


def test_payments_add_up() -> None:
    frame = export()
    parts = ["total_rec_prncp", "total_rec_int", "total_rec_late_fee", "recoveries"]
    assert (
        frame["total_pymnt"] - frame.select(pl.sum_horizontal(parts)).to_series()
    ).abs().max() < 0.01
    repaid = frame.filter(pl.col("loan_status") == "Fully Paid")
    assert (repaid["total_rec_prncp"] == repaid["loan_amnt"]).all()
    lost = frame.filter(pl.col("loan_status") == "Charged Off")
    assert (lost["total_rec_prncp"] < lost["loan_amnt"]).all()
    assert (frame["collection_recovery_fee"] <= frame["recoveries"]).all()


def test_what_is_owed_recovered_or_settled_agrees_with_the_status() -> None:
    frame = export()
    finished = pl.col("loan_status").is_in(FINISHED)
    assert (frame.filter(finished)["out_prncp"] == 0).all()
    assert (frame.filter(~finished)["out_prncp"] > 0).all()
    assert frame.filter(finished)["next_pymnt_d"].is_null().all()
    for told in (pl.col("recoveries") > 0, pl.col("debt_settlement_flag") == "Y"):
        assert set(frame.filter(told)["loan_status"].unique()) == {"Charged Off"}
    settled = pl.col("debt_settlement_flag") == "Y"
    assert frame.filter(settled)["settlement_amount"].is_not_null().all()
    assert frame.filter(~settled)["settlement_date"].is_null().all()
    hardship = frame.filter(pl.col("hardship_flag") == "Y")
    assert hardship.height and hardship["hardship_amount"].is_not_null().all()


def test_nothing_is_known_after_march_2019() -> None:
    cells = export().select(columns.EXPORT)
    latest = loans.latest_month(cells)
    assert latest is not None and (latest.year, latest.month) == (2019, 3)
    after_issue = export().filter(pl.col("last_pymnt_d").is_not_null())
    assert (after_issue["last_pymnt_d"].to_physical() > after_issue["issue_d"].to_physical()).all()


def test_what_is_known_afterwards_gives_the_outcome_away() -> None:
    matured = export().filter("matured")
    repaid = matured["total_rec_prncp"] / matured["loan_amnt"]
    assert roc_auc_score(matured["defaults"], 1 - repaid) > 0.99
    assert roc_auc_score(matured["defaults"], -matured["last_fico_range_low"]) > 0.9
