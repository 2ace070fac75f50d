"""Loans as make_loans.py writes them, made once for all tests."""

import io
from functools import lru_cache

import polars as pl

from loan_default.synthetic import generator

FINISHED = ("Fully Paid", "Charged Off")
LATE_BUREAU = (
    "tot_cur_bal bc_util acc_open_past_24mths mort_acc pct_tl_nvr_dlq total_rev_hi_lim num_sats "
    "mths_since_last_major_derog mths_since_recent_inq tot_hi_cred_lim percent_bc_gt_75"
).split()
NEWEST_BUREAU = "open_acc_6m inq_last_12m all_util il_util max_bal_bc total_cu_tl inq_fi".split()


@lru_cache(maxsize=1)
def made() -> tuple[generator.Chunk, ...]:
    """60,000 loans, some 21,000 of them matured; shared, for making them takes a second."""
    return tuple(generator.generate(60_000, 5))


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


def tally() -> generator.Tally:
    counted = generator.Tally()
    for chunk in made():
        counted.add(chunk)
    return counted


def csv(rows: int, seed: int) -> bytes:
    lines = [generator.csv_lines(chunk.frame) for chunk in generator.generate(rows, seed)]
    return generator.csv_header() + b"".join(lines)


def texts(rows: int, seed: int) -> pl.DataFrame:
    """The cells as someone reads them who knows no types."""
    return pl.read_csv(io.BytesIO(csv(rows, seed)), infer_schema=False)
