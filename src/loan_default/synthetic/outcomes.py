"""Generate how loans end: true default probability, fate, and the columns known afterwards.

The fate is drawn first, from the true probability. The columns of the export then follow from the
fate and the as-of month, so that the default rate of matured loans matches the true probability.
"""

from dataclasses import dataclass

import numpy as np

from loan_default.synthetic.applications import installment
from loan_default.synthetic.layout import (
    BY_NAME,
    CHARGED_OFF,
    CURRENT,
    DEFAULTED,
    FULLY_PAID,
    IN_GRACE,
    LATE_16,
    LATE_31,
    PURPOSES,
    Cells,
    Flags,
    Numbers,
    Places,
    Rng,
    cents,
    month_index,
    only_where,
)

AS_OF = month_index(2019, 3)
MONTHS_TO_CHARGE_OFF = 5  # after the last payment
SETTLEMENTS_FROM = month_index(2012, 1)

# Chosen so that 17% of the matured loans default and the best possible AUC on them is 0.78.
INTERCEPT = -2.25
STEEPNESS = 1.045

_PURPOSE_EFFECTS = {"small_business": 0.5, "credit_card": -0.12, "wedding": -0.2, "car": -0.12}
_PURPOSE_EFFECT = np.array([_PURPOSE_EFFECTS.get(purpose, 0) for purpose in PURPOSES])
_HOME_EFFECTS = {"RENT": 0.15, "MORTGAGE": -0.12}
_HOME_EFFECT = np.array([_HOME_EFFECTS.get(home, 0) for home in BY_NAME["home_ownership"].levels])


@dataclass(frozen=True)
class Fate:
    """How and when each loan ends, even if that is in the future; arrays of shape (rows,).

    `payments` is the number of months in which the borrower pays, 0 to `term`.
    """

    defaults: Flags
    payments: Places
    term: Places


def default_probability(cells: Cells) -> Numbers:
    """Return the true probability (rows,) in (0, 1), a smooth function of the record's columns."""
    effects = _price_effect(cells) + _means_effect(cells) + _credit_effect(cells)
    return 1 / (1 + np.exp(-(INTERCEPT + STEEPNESS * effects)))


def draw_fate(rng: Rng, cells: Cells, probability: Numbers) -> Fate:
    """Draw whether each loan defaults, and after how many payments it ends.

    Defaults peak a third of the way through the term; about half of the other borrowers prepay.
    """
    rows = len(probability)
    term = 36 + 24 * cells["term"].astype(np.intp)
    defaults = rng.random(rows) < probability
    # A loan that defaults is charged off before its term ends.
    stops = np.floor((term - MONTHS_TO_CHARGE_OFF + 1) * 0.999 * rng.beta(1.6, 2.4, rows))
    prepays = np.ceil(term * np.maximum(rng.random(rows), 0.02))
    ends = np.where(rng.random(rows) < 0.55, prepays, term)
    return Fate(defaults, np.where(defaults, stops, ends).astype(np.intp), term)


def afterwards(rng: Rng, cells: Cells, fate: Fate) -> Cells:
    """Generate the columns known only after the grant, as of the as-of month."""
    elapsed = AS_OF - cells["issue_d"]
    status = _status(rng, fate, elapsed)
    paid = np.minimum(fate.payments, elapsed - (status >= IN_GRACE))
    money = _payments(rng, cells, fate, status, paid)
    return (
        {"loan_status": status}
        | money
        | _dates(rng, cells, status, paid)
        | _scores(rng, cells, status)
        | _hardship(rng, cells, status, money)
        | _settlement(rng, cells, status, paid, money)
    )


def _price_effect(cells: Cells) -> Numbers:
    """Return the effect of the sub-grade, which holds the lender's private knowledge, and term."""
    effect: Numbers = 0.1 * (cells["sub_grade"] - 9.5) + 0.3 * cells["term"]
    return effect


def _means_effect(cells: Cells) -> Numbers:
    """Return the effect of income, loan and debts; a joint application counts both incomes."""
    income = _joint_or("annual_inc", cells)
    debts = _joint_or("dti", cells)
    share = np.tanh(4 * (cells["loan_amnt"] / income - 0.2))
    business = cells["purpose"] == PURPOSES.index("small_business")
    strained = np.logaddexp(0, (debts - 22) / 4) / 4
    effect: Numbers = (
        (0.5 + 0.3 * business) * share
        - 0.4 * np.tanh(np.log(income / 65_000))
        + 0.022 * (debts - 17)
        + 0.4 * strained * _used(cells)
        + _PURPOSE_EFFECT[cells["purpose"]]
        + _HOME_EFFECT[cells["home_ownership"]]
    )
    return effect


def _credit_effect(cells: Cells) -> Numbers:
    effect: Numbers = (
        -0.45 * np.tanh((cells["fico_range_low"] - 695) / 30)
        + 0.3 * np.minimum(np.sqrt(cells["inq_last_6mths"]), 2)
        + 0.4 * (_used(cells) - 0.5)
    )
    return effect


def _used(cells: Cells) -> Numbers:
    used: Numbers = np.nan_to_num(cells["revol_util"], nan=50.0) / 100
    return used


def _joint_or(name: str, cells: Cells) -> Numbers:
    both = cells.get(f"{name}_joint")
    if both is None:
        return cells[name]
    return np.where(np.isnan(both), cells[name], both)


def _status(rng: Rng, fate: Fate, elapsed: Places) -> Places:
    behind = np.where(fate.defaults, elapsed - fate.payments, 0)
    slow = ~fate.defaults & (rng.random(len(behind)) < 0.006)
    lot = rng.random(len(behind))
    return np.select(
        [
            fate.defaults & (behind >= MONTHS_TO_CHARGE_OFF),
            ~fate.defaults & (fate.payments <= elapsed),
            (behind <= 0) & ~slow,
            (behind <= 1) & (lot < 0.6),
            behind <= 1,
            (behind == MONTHS_TO_CHARGE_OFF - 1) & (lot < 0.02),
        ],
        [CHARGED_OFF, FULLY_PAID, CURRENT, IN_GRACE, LATE_16, DEFAULTED],
        LATE_31,
    )


def _payments(rng: Rng, cells: Cells, fate: Fate, status: Places, paid: Places) -> Cells:
    rows = len(paid)
    amount, due = cells["loan_amnt"], cells["installment"]
    owed = np.where(status == FULLY_PAID, 0, _balance(cells, paid, fate.term))
    # The last payment of a prepaid loan is the balance of the month before.
    before = _balance(cells, paid - 1, fate.term) * (1 + cells["int_rate"] / 1200)
    last = np.where(status == FULLY_PAID, before, np.where(paid > 0, due, 0))
    principal = cents(amount - owed)
    interest = cents(np.maximum(due * np.maximum(paid - 1, 0) + last - principal, 0))
    fee = np.where((status != CURRENT) & (rng.random(rows) < _fee_share(status)), 15.0, 0)
    recovered = (status == CHARGED_OFF) & (rng.random(rows) < 0.65)
    recoveries = cents(np.where(recovered, owed * (0.02 + 0.2 * rng.random(rows)), 0))
    total = cents(principal + interest + fee + recoveries)
    owing = np.where(status == CHARGED_OFF, 0, cents(owed))
    return {
        "out_prncp": owing,
        "out_prncp_inv": owing,
        "total_pymnt": total,
        "total_pymnt_inv": total,
        "total_rec_prncp": principal,
        "total_rec_int": interest,
        "total_rec_late_fee": fee,
        "recoveries": recoveries,
        "collection_recovery_fee": cents(0.18 * recoveries),
        "last_pymnt_amnt": cents(last),
    }


def _fee_share(status: Places) -> Numbers:
    return np.where(status == FULLY_PAID, 0.02, 0.3)


def _balance(cells: Cells, paid: Places, term: Places) -> Numbers:
    """Return the balance after `paid` of `term` monthly payments."""
    rate = cells["int_rate"]
    left = np.maximum(term - np.maximum(paid, 0), 0)
    monthly = installment(cells["loan_amnt"], rate, term.astype(np.float64))
    balance: Numbers = monthly * -np.expm1(-left * np.log1p(rate / 1200)) / (rate / 1200)
    return balance


def _dates(rng: Rng, cells: Cells, status: Places, paid: Places) -> Cells:
    last = cells["issue_d"] + paid
    finished = status <= CHARGED_OFF
    draw = rng.random(len(paid))
    pulled = np.where(draw < 0.5, AS_OF, last + np.floor((AS_OF - last) * draw))
    return {
        "last_pymnt_d": only_where(paid > 0, last),
        "next_pymnt_d": only_where(~finished, np.full(len(paid), AS_OF + 1)),
        "last_credit_pull_d": np.where(finished, pulled, AS_OF),
    }


def _scores(rng: Rng, cells: Cells, status: Places) -> Cells:
    rows = len(status)
    failing = (status != FULLY_PAID) & (status != CURRENT)
    good = cells["fico_range_low"] + 5 + 30 * rng.standard_normal(rows)
    bad = 555 + 40 * rng.standard_normal(rows)
    low = 5 * np.rint(np.clip(np.where(failing, bad, good), 300, 845) / 5)
    return {"last_fico_range_low": low, "last_fico_range_high": low + 4}


def _hardship(rng: Rng, cells: Cells, status: Places, money: Cells) -> Cells:
    rows = len(status)
    granted = (status >= IN_GRACE) & (rng.random(rows) < 0.05)
    interest = cents(money["out_prncp"] * cells["int_rate"] / 1200)
    columns: Cells = {
        "hardship_type": np.zeros(rows),
        "hardship_reason": rng.integers(0, 4, rows),
        "hardship_status": np.zeros(rows),
        "deferral_term": np.full(rows, 3),
        "hardship_amount": interest,
        "hardship_start_date": np.full(rows, AS_OF - 1),
        "hardship_end_date": np.full(rows, AS_OF + 2),
        "payment_plan_start_date": np.full(rows, AS_OF - 1),
        "hardship_length": np.full(rows, 3),
        "hardship_dpd": np.where(status >= LATE_31, 31 + rng.integers(0, 80, rows), 16),
        "hardship_loan_status": status,
        "orig_projected_additional_accrued_interest": cents(3 * interest),
        "hardship_payoff_balance_amount": money["out_prncp"],
        "hardship_last_payment_amount": money["last_pymnt_amnt"],
    }
    return {"hardship_flag": granted} | {n: only_where(granted, v) for n, v in columns.items()}


def _settlement(rng: Rng, cells: Cells, status: Places, paid: Places, money: Cells) -> Cells:
    rows = len(status)
    charged_off = cells["issue_d"] + paid + MONTHS_TO_CHARGE_OFF
    agreed = np.minimum(charged_off + rng.integers(0, 12, rows), AS_OF)
    settled = (status == CHARGED_OFF) & (agreed >= SETTLEMENTS_FROM) & (rng.random(rows) < 0.15)
    percentage = np.rint(40 + 25 * rng.random(rows))
    columns: Cells = {
        "debt_settlement_flag_date": agreed,
        "settlement_status": rng.integers(0, 3, rows),
        "settlement_date": agreed,
        "settlement_amount": cents(
            (cells["loan_amnt"] - money["total_rec_prncp"]) * percentage / 100
        ),
        "settlement_percentage": percentage,
        "settlement_term": rng.integers(0, 25, rows),
    }
    return {"debt_settlement_flag": settled} | {
        n: only_where(settled, v) for n, v in columns.items()
    }
