"""Generate what is known when a loan is granted: borrower, credit file, request and price.

Shares and distributions follow LendingClub's loans of 2007 to 2018. One latent number per borrower,
`quality` (standard normal), correlates the columns of the credit file. All arrays are (rows,).
"""

from collections.abc import Sequence

import numpy as np

from loan_default.synthetic.bureau import co_applicant, late_bureau, newest_bureau
from loan_default.synthetic.layout import (
    JOINT_FROM,
    LATE_BUREAU_FROM,
    LONG_TERM_FROM,
    NEWEST_BUREAU_FROM,
    PURPOSES,
    STATES,
    TEXTS,
    Cells,
    Numbers,
    Places,
    Rng,
    cents,
    month_index,
    only_where,
)

BANKRUPTCIES_FROM = month_index(2008, 6)

# Shares in 2007 and 2016, in the order of the column's levels; months in between mix the two.
_HOMES = ([0, 43, 0.05, 0.6, 8, 48.35], [0.05, 49.5, 0.01, 0.01, 11.4, 39.03])
_VERIFIED = ([57, 16, 27], [31, 40, 29])
_PURPOSES = (
    [3.5, 13, 43, 2.2, 7.3, 1, 6, 1.8, 1.6, 12.3, 0.4, 5, 0.8, 2.1],
    [1, 22, 57.5, 0, 6.7, 0.6, 2.2, 1.2, 0.7, 6.2, 0.05, 1.1, 0.7, 0.05],
)
_EMPLOYED = (
    [14, 10, 12.5, 11, 8.5, 7.5, 5, 4, 3.7, 3, 19, 1.8],
    [8.5, 6.6, 9, 8, 6, 6.2, 4.5, 4, 4, 3.7, 33, 6.5],
)
_STATE_SHARES = [float(share) for _, share, _ in STATES]
_ZIP_RANGES = np.array([[int(end) for end in zips.split("-")] for _, _, zips in STATES])

# Largest loan offered, in dollars, from these months on.
_CAP_MONTHS = [month_index(2011, 3), month_index(2016, 2)]
_CAPS = np.array([25_000, 35_000, 40_000])

# Years, and for each the rate of sub-grade A1 and the step per sub-grade, in percent a year.
_RATE_YEARS = [2007.5, 2009.5, 2010.5, 2012.5, 2013.5, 2015.5, 2017.5, 2019]
_LOWEST_RATE = [7.4, 7.3, 6.3, 6.2, 6.2, 5.4, 5.4, 6.2]
_RATE_STEP = [0.36, 0.40, 0.43, 0.55, 0.57, 0.68, 0.74, 0.73]


def applications(rng: Rng, issued: Places) -> Cells:
    """Generate every column known at the grant; `issued` holds the loans' month indices."""
    quality = rng.standard_normal(len(issued))
    shift = np.clip((issued / 12 - 2007.5) / 9, 0, 1)
    cells: Cells = {"issue_d": issued}
    cells |= _household(rng, shift)
    cells |= _score_and_age(rng, issued, quality)
    cells |= _accounts(rng, shift, quality, cells["annual_inc"])
    cells |= _delinquencies(rng, shift, quality)
    cells |= _public_records(rng, issued, quality)
    cells |= _request(rng, issued, shift, cells["annual_inc"])
    cells |= _wording(rng, issued, cells)
    cells |= _price(rng, cells)
    cells |= _from(LATE_BUREAU_FROM, issued, late_bureau(rng, quality, cells))
    cells |= _from(NEWEST_BUREAU_FROM, issued, newest_bureau(rng, cells))
    cells |= _joint(rng, issued, cells)
    return cells


def installment(amount: Numbers, rate: Numbers, term: Numbers) -> Numbers:
    """Return the monthly payment in dollars for `term` months at `rate` percent a year."""
    monthly = rate / 1200
    payment: Numbers = amount * monthly / -np.expm1(-term * np.log1p(monthly))
    return payment


def _household(rng: Rng, shift: Numbers) -> Cells:
    income = np.exp(11.0 + 0.11 * shift + 0.5 * rng.standard_normal(len(shift)))
    employed = _pick(rng, *_EMPLOYED, shift)
    jobs = rng.integers(0, len(TEXTS["emp_title"]), len(shift))
    state = _pick(rng, _STATE_SHARES, _STATE_SHARES, shift)
    first, last = _ZIP_RANGES[state].T
    return {
        "annual_inc": _rounded(rng, np.clip(income, 6_000, 2_000_000), 1, 1_000, 0.7),
        "home_ownership": _pick(rng, *_HOMES, shift),
        "verification_status": _pick(rng, *_VERIFIED, shift),
        "emp_length": employed,
        "emp_title": only_where(employed < len(TEXTS["emp_length"]) - 1, jobs),
        "addr_state": state,
        "zip_code": first + np.floor(rng.random(len(shift)) * (last - first + 1)),
    }


def _score_and_age(rng: Rng, issued: Places, quality: Numbers) -> Cells:
    points = np.minimum(660 + 5 * np.floor(np.exp(3.25 + 0.85 * quality) / 5), 845)
    history = np.exp(5.2 + 0.12 * quality + 0.45 * rng.standard_normal(len(quality)))
    return {
        "fico_range_low": points,
        "fico_range_high": points + 4,
        "earliest_cr_line": issued - np.clip(np.rint(history), 36, 720).astype(np.intp),
    }


def _accounts(rng: Rng, shift: Numbers, quality: Numbers, income: Numbers) -> Cells:
    a, b, c, d, e = rng.standard_normal((5, len(shift)))
    used = np.rint(10 * np.clip(53 - 5 * shift - 13 * quality + 20 * a, 0, 130)) / 10
    limit = 100 * np.rint(np.exp(5.5 + 0.5 * np.log(income / 65_000) + 0.25 * quality + 0.6 * b))
    accounts = np.clip(np.rint(np.exp(2.1 + 0.26 * shift + 0.42 * c)), 1, 90)
    return {
        "dti": cents(np.minimum(np.abs(13 + 6 * shift + 8 * d), 49.99)),
        "revol_util": only_where((limit > 4_000) | (a > -1), used),
        "revol_bal": np.rint(limit * used / 100),
        "total_rev_hi_lim": limit,
        "open_acc": accounts,
        "total_acc": accounts + np.rint(np.exp(2.35 + 0.6 * e)),
    }


def _delinquencies(rng: Rng, shift: Numbers, quality: Numbers) -> Cells:
    rows = len(shift)
    recent = np.minimum(rng.poisson(0.28 * np.exp(-0.5 * quality)), 20)
    now = (rng.random(rows) < 0.004) & (recent > 0)
    since = np.where(recent > 0, 24 * rng.random(rows), 24 + 59 * rng.random(rows))
    return {
        "delinq_2yrs": recent,
        "mths_since_last_delinq": only_where(
            (recent > 0) | (rng.random(rows) < 0.36), np.floor(since)
        ),
        "acc_now_delinq": now,
        "delinq_amnt": np.where(now, np.rint(np.exp(6 + rng.standard_normal(rows))), 0),
        "chargeoff_within_12_mths": rng.random(rows) < 0.008,
        "collections_12_mths_ex_med": rng.random(rows) < 0.015,
        "inq_last_6mths": rng.poisson((1.15 - 0.6 * shift) * np.exp(-0.15 * quality)),
    }


def _public_records(rng: Rng, issued: Places, quality: Numbers) -> Cells:
    rows = len(issued)
    records = rng.poisson(0.17 * np.exp(-0.4 * quality))
    bankrupt = (records > 0) & (rng.random(rows) < 0.62)
    return {
        "pub_rec": records,
        "pub_rec_bankruptcies": only_where(issued >= BANKRUPTCIES_FROM, bankrupt),
        "tax_liens": np.where(rng.random(rows) < 0.4, records - bankrupt, 0),
        "mths_since_last_record": only_where(records > 0, np.floor(12 + 107 * rng.random(rows))),
    }


def _request(rng: Rng, issued: Places, shift: Numbers, income: Numbers) -> Cells:
    wanted = np.exp(
        9.1 + 0.35 * shift + 0.5 * np.log(income / 65_000) + 0.55 * rng.standard_normal(len(issued))
    )
    cap = _CAPS[np.searchsorted(_CAP_MONTHS, issued, side="right")]
    amount = _rounded(rng, np.clip(wanted, 1_000, cap), 25, 1_000, 0.6)
    long = rng.random(len(issued)) < np.clip(0.05 + 0.017 * amount / 1_000, 0, 0.6)
    return {
        "loan_amnt": amount,
        "funded_amnt": amount,
        "funded_amnt_inv": amount,
        "term": long & (issued >= LONG_TERM_FROM),
        "purpose": _pick(rng, *_PURPOSES, shift),
    }


def _wording(rng: Rng, issued: Places, cells: Cells) -> Cells:
    rows = len(issued)
    described = (issued < month_index(2014, 3)) & (rng.random(rows) < 0.3)
    return {
        "title": only_where(rng.random(rows) < 0.99, cells["purpose"]),
        "desc": only_where(described, rng.integers(0, len(TEXTS["desc"]), rows)),
        "initial_list_status": (rng.random(rows) < 0.7) & (issued >= month_index(2012, 9)),
        "disbursement_method": (rng.random(rows) < 0.2) & (issued >= month_index(2018, 1)),
        "pymnt_plan": np.zeros(rows, np.intp),
        "policy_code": np.ones(rows, np.intp),
    }


def _price(rng: Rng, cells: Cells) -> Cells:
    """Derive the sub-grade from the lender's score, and the rate from sub-grade and month."""
    strain = _lenders_score(cells) + 0.55 * rng.standard_normal(len(cells["dti"]))
    place = np.minimum(np.floor(3 * np.logaddexp(0, (10.3 + 9 * strain) / 3)), 34)
    year = cells["issue_d"] / 12
    step = np.interp(year, _RATE_YEARS, _RATE_STEP)
    rate = cents(np.interp(year, _RATE_YEARS, _LOWEST_RATE) + step * place)
    term = 36.0 + 24 * cells["term"]
    return {
        "sub_grade": place.astype(np.intp),
        "grade": place.astype(np.intp) // 5,
        "int_rate": rate,
        "installment": cents(installment(cells["loan_amnt"], rate, term)),
    }


def _lenders_score(cells: Cells) -> Numbers:
    """Return the risk as the lender sees it; with its private noise about standard normal."""
    share = np.log(cells["loan_amnt"] / cells["annual_inc"] / 0.2)
    score: Numbers = (
        -0.45 * np.tanh((cells["fico_range_low"] - 690) / 35)
        + 0.010 * (np.nan_to_num(cells["revol_util"], nan=50) - 50)
        + 0.030 * (cells["dti"] - 17)
        + 0.25 * (np.sqrt(cells["inq_last_6mths"]) - 0.6)
        + 0.25 * share
        + 0.45 * (cells["term"] - 0.27)
        - 0.25 * np.log(cells["annual_inc"] / 65_000)
        + 0.4 * (cells["purpose"] == PURPOSES.index("small_business"))
    )
    return score


def _joint(rng: Rng, issued: Places, cells: Cells) -> Cells:
    share = np.where(issued >= JOINT_FROM, 0.01 + (issued - JOINT_FROM) * 0.0037, 0)
    joint = rng.random(len(issued)) < share
    if not joint.any():
        return {"application_type": joint}
    return {"application_type": joint} | co_applicant(rng, joint, cells)


def _from(month: int, issued: Places, cells: Cells) -> Cells:
    """Return the cells, emptied for loans issued before `month`."""
    since = issued >= month
    if since.all():
        return cells
    return {name: only_where(since, values) for name, values in cells.items()}


def _pick(rng: Rng, before: Sequence[float], after: Sequence[float], shift: Numbers) -> Places:
    """Draw places by the shares `before` if `shift` is 0 and `after` if it is 1, else by a mix."""
    draw = rng.random(len(shift))
    old, new = (np.searchsorted(np.cumsum(s) / np.sum(s), draw, "right") for s in (before, after))
    late = rng.random(len(shift)) < shift
    return np.minimum(np.where(late, new, old), len(before) - 1)


def _rounded(rng: Rng, dollars: Numbers, fine: int, coarse: int, share: float) -> Numbers:
    """Round to steps of `coarse` dollars for a `share` of the rows, of `fine` for the rest."""
    step = np.where(rng.random(len(dollars)) < share, coarse, fine)
    rounded: Numbers = np.rint(dollars / step) * step
    return rounded
