"""Generate the credit-file columns added to the export over the years, and the co-applicant's."""

import numpy as np

from loan_default.synthetic.layout import (
    CO_APPLICANT_BUREAU_FROM,
    Cells,
    Flags,
    Numbers,
    Rng,
    cents,
    only_where,
)


def late_bureau(rng: Rng, quality: Numbers, cells: Cells) -> Cells:
    """Generate the columns added in 2012: balances, limits, ages and account counts by kind."""
    accounts = _account_counts(rng, cells)
    return (
        accounts
        | _balances(rng, cells)
        | _bankcards(rng, cells)
        | _ages(rng, cells)
        | _old_trouble(rng, quality, cells)
    )


def newest_bureau(rng: Rng, cells: Cells) -> Cells:
    """Generate the columns added in 2016: instalment loans, new accounts, finance inquiries."""
    rows = len(cells["dti"])
    used = np.nan_to_num(cells["revol_util"], nan=50)
    return _instalment_loans(rng, cells) | {
        "open_acc_6m": rng.poisson(0.9, rows),
        "open_rv_12m": rng.poisson(1.3, rows),
        "open_rv_24m": rng.poisson(2.7, rows),
        "max_bal_bc": np.rint(cells["revol_bal"] * (0.2 + 0.5 * rng.random(rows))),
        "all_util": np.rint(np.clip(30 + 0.5 * used + 12 * rng.standard_normal(rows), 0, 200)),
        "inq_fi": rng.poisson(1.0, rows),
        "total_cu_tl": rng.poisson(1.5, rows),
        "inq_last_12m": cells["inq_last_6mths"] + rng.poisson(1.5, rows),
    }


def co_applicant(rng: Rng, joint: Flags, cells: Cells) -> Cells:
    """Generate the joint columns, which are empty unless `joint`.

    The co-applicant's credit file is empty before `CO_APPLICANT_BUREAU_FROM`.
    """
    together = {name: values[joint] for name, values in cells.items()}
    has_file = together["issue_d"] >= CO_APPLICANT_BUREAU_FROM
    columns = _joint_means(rng, together)
    columns |= {n: only_where(has_file, v) for n, v in _co_applicant_file(rng, together).items()}
    return {name: _spread(joint, values) for name, values in columns.items()}


def _spread(rows: Flags, values: Numbers) -> Numbers:
    """Place the values, one per flagged row, in their rows; other cells are empty."""
    column = np.full(len(rows), np.nan)
    column[rows] = values
    return column


def _joint_means(rng: Rng, cells: Cells) -> Cells:
    rows = len(cells["dti"])
    return {
        "annual_inc_joint": np.rint(cells["annual_inc"] * (1.1 + rng.random(rows))),
        "dti_joint": cents(cells["dti"] * (0.7 + 0.4 * rng.random(rows))),
        "verification_status_joint": rng.integers(0, 3, rows),
    }


def _account_counts(rng: Rng, cells: Cells) -> Cells:
    rows = len(cells["dti"])
    opened, ever = cells["open_acc"], cells["total_acc"]
    revolving = np.maximum(np.rint(opened * (0.55 + 0.3 * rng.random(rows))), 1)
    with_balance = np.rint(revolving * (0.4 + 0.55 * rng.random(rows)))
    cards = np.rint(revolving * (0.4 + 0.5 * rng.random(rows)))
    recent = np.minimum(rng.poisson(0.17 * ever + 0.3), ever)
    return {
        "num_sats": opened,
        "num_op_rev_tl": revolving,
        "num_rev_accts": revolving + np.rint((ever - opened) * 0.5),
        "num_actv_rev_tl": with_balance,
        "num_rev_tl_bal_gt_0": with_balance,
        "num_bc_sats": cards,
        "num_actv_bc_tl": np.minimum(cards, with_balance),
        "num_bc_tl": cards + np.rint((ever - opened) * 0.25),
        "num_il_tl": ever - revolving - np.rint((ever - opened) * 0.5),
        "mort_acc": rng.poisson(np.where(cells["home_ownership"] == 1, 2.4, 0.8)),
        "acc_open_past_24mths": recent,
        "num_tl_op_past_12m": np.floor(recent * rng.random(rows) * 0.95),
    }


def _balances(rng: Rng, cells: Cells) -> Cells:
    rows = len(cells["dti"])
    income = cells["annual_inc"]
    loans = np.rint(income * np.exp(-0.9 + 0.9 * rng.standard_normal(rows)))
    house = np.where(cells["home_ownership"] == 1, np.rint(income * (1 + 3 * rng.random(rows))), 0)
    without_house = loans + cells["revol_bal"]
    return {
        "total_rev_hi_lim": cells["total_rev_hi_lim"],
        "tot_cur_bal": without_house + house,
        "avg_cur_bal": np.rint((without_house + house) / cells["open_acc"]),
        "total_bal_ex_mort": without_house,
        "total_il_high_credit_limit": np.rint(loans * 1.3),
        "tot_hi_cred_lim": np.rint(loans * 1.3 + house * 1.1) + cells["total_rev_hi_lim"],
        "tot_coll_amt": np.where(
            rng.random(rows) < 0.15, np.rint(np.exp(6.2 + 1.3 * rng.standard_normal(rows))), 0
        ),
    }


def _bankcards(rng: Rng, cells: Cells) -> Cells:
    rows = len(cells["dti"])
    used = np.nan_to_num(cells["revol_util"], nan=50)
    limit = np.rint(cells["total_rev_hi_lim"] * (0.4 + 0.5 * rng.random(rows)))
    card_use = np.clip(used + 6 + 12 * rng.standard_normal(rows), 0, 150)
    has_card = rng.random(rows) < 0.99
    full = np.clip(card_use * 1.4 - 35 + 25 * rng.standard_normal(rows), 0, 100)
    return {
        "total_bc_limit": limit,
        "bc_util": only_where(has_card, np.rint(card_use * 10) / 10),
        "bc_open_to_buy": only_where(has_card, np.rint(limit * np.maximum(1 - card_use / 100, 0))),
        "percent_bc_gt_75": only_where(has_card, np.rint(full * 10) / 10),
    }


def _ages(rng: Rng, cells: Cells) -> Cells:
    rows = len(cells["dti"])
    history = cells["issue_d"] - cells["earliest_cr_line"]
    newest = np.minimum(np.floor(-8 * np.log1p(-rng.random(rows))), history)
    newest_revolving = np.minimum(newest + np.floor(-6 * np.log1p(-rng.random(rows))), history)
    newest_card = newest_revolving + np.floor(-12 * np.log1p(-rng.random(rows)))
    inquiry = np.where(
        cells["inq_last_6mths"] > 0, np.floor(6 * rng.random(rows)), 6 + rng.integers(0, 19, rows)
    )
    return {
        "mo_sin_old_rev_tl_op": np.rint(history * (0.7 + 0.3 * rng.random(rows))),
        "mo_sin_old_il_acct": only_where(
            rng.random(rows) < 0.97, np.rint(history * (0.4 + 0.6 * rng.random(rows)))
        ),
        "mo_sin_rcnt_tl": newest,
        "mo_sin_rcnt_rev_tl_op": newest_revolving,
        "mths_since_recent_bc": only_where(rng.random(rows) < 0.99, newest_card),
        "mths_since_recent_inq": only_where(
            (cells["inq_last_6mths"] > 0) | (rng.random(rows) < 0.8), inquiry
        ),
    }


def _old_trouble(rng: Rng, quality: Numbers, cells: Cells) -> Cells:
    rows = len(quality)
    since = cells["mths_since_last_delinq"]
    late = np.where(np.isnan(since), 0, 1 + rng.poisson(0.8, rows))
    grave = np.where(rng.random(rows) < 0.5, late, 0)
    never_late = 100 - 100 * np.minimum(late / cells["total_acc"], 1)
    older = since + np.floor(12 * rng.random(rows))
    return {
        "mths_since_last_major_derog": only_where(grave > 0, older),
        "mths_since_recent_bc_dlq": only_where(rng.random(rows) < 0.48, older),
        "mths_since_recent_revol_delinq": only_where(rng.random(rows) < 0.67, older),
        "num_accts_ever_120_pd": grave,
        "num_tl_120dpd_2m": np.zeros(rows),
        "num_tl_30dpd": cells["acc_now_delinq"],
        "num_tl_90g_dpd_24m": np.where(grave > 0, np.minimum(cells["delinq_2yrs"], grave), 0),
        "pct_tl_nvr_dlq": np.rint(never_late * 10) / 10,
    }


def _instalment_loans(rng: Rng, cells: Cells) -> Cells:
    rows = len(cells["dti"])
    active = rng.poisson(2.7, rows)
    balance = np.where(active > 0, np.rint(active * np.exp(9 + 0.8 * rng.standard_normal(rows))), 0)
    return {
        "open_act_il": active,
        "open_il_12m": np.minimum(rng.poisson(0.7, rows), active),
        "open_il_24m": np.minimum(rng.poisson(1.6, rows), active + 1),
        "mths_since_rcnt_il": only_where(
            rng.random(rows) < 0.97, np.floor(-20 * np.log1p(-rng.random(rows)))
        ),
        "total_bal_il": balance,
        "il_util": only_where(
            (active > 0) & (rng.random(rows) < 0.95),
            np.rint(np.clip(69 + 23 * rng.standard_normal(rows), 0, 200)),
        ),
    }


def _co_applicant_file(rng: Rng, cells: Cells) -> Cells:
    rows = len(cells["dti"])
    points = 600 + 5 * np.floor(np.minimum(rng.gamma(3, 6.5, rows), 49))
    derogatory = only_where(rng.random(rows) < 0.33, np.floor(80 * rng.random(rows)))
    used = np.clip(58 + 25 * rng.standard_normal(rows), 0, 150)
    return {
        "revol_bal_joint": np.rint(cells["revol_bal"] * (1.2 + rng.random(rows))),
        "sec_app_fico_range_low": points,
        "sec_app_fico_range_high": points + 4,
        "sec_app_earliest_cr_line": cells["issue_d"]
        - 24
        - np.minimum(np.floor(rng.gamma(3, 55, rows)), 720),
        "sec_app_inq_last_6mths": rng.poisson(0.6, rows),
        "sec_app_mort_acc": rng.poisson(1.5, rows),
        "sec_app_open_acc": 1 + rng.poisson(10, rows),
        "sec_app_revol_util": np.rint(used * 10) / 10,
        "sec_app_open_act_il": rng.poisson(3, rows),
        "sec_app_num_rev_accts": 1 + rng.poisson(11, rows),
        "sec_app_chargeoff_within_12_mths": rng.poisson(0.05, rows),
        "sec_app_collections_12_mths_ex_med": rng.poisson(0.08, rows),
        "sec_app_mths_since_last_major_derog": derogatory,
    }
