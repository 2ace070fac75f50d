"""The layout of generated loans: each column's texts, and the conversion of cells to the export.

Cells are plain numpy arrays, so that no Python object per value is needed: a number is stored as
it is, a text as its place among the column's texts, a month as its index (year * 12 + month - 1);
NaN is an empty cell.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from loan_default.contract.load import LENDINGCLUB, load

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Cells = dict[str, npt.NDArray[Any]]
Rng = np.random.Generator

FIRST_YEAR, LAST_YEAR = 1930, 2040

# State, share of the loans in percent, first and last three-digit zip code prefix.
STATES = [entry.split(":") for entry in """
CA:14:900-961 TX:8.2:750-799 NY:8.2:100-149 FL:7.2:320-349 IL:4:600-629 NJ:3.7:070-089
PA:3.4:150-196 OH:3.3:430-459 GA:3.2:300-319 VA:2.8:220-246 NC:2.8:270-289 MI:2.6:480-499
MD:2.4:206-219 AZ:2.4:850-865 MA:2.3:010-027 CO:2.1:800-816 WA:2.1:980-994 MN:1.8:550-567
IN:1.7:460-479 MO:1.6:630-658 CT:1.6:060-069 TN:1.6:370-385 NV:1.4:889-898 WI:1.3:530-549
SC:1.2:290-299 AL:1.2:350-369 OR:1.2:970-979 LA:1.1:700-714 KY:1:400-427 OK:.9:730-749
KS:.8:660-679 AR:.75:716-729 UT:.65:840-847 NM:.55:870-884 MS:.55:386-397 HI:.5:967-968
NH:.5:030-038 RI:.45:028-029 WV:.4:247-268 NE:.3:680-693 DE:.28:197-199 MT:.28:590-599
DC:.24:200-205 AK:.24:995-999 ME:.2:039-049 WY:.2:820-831 VT:.2:050-059 SD:.2:570-577
ND:.16:580-588 ID:.15:832-838
""".split()]
# Every column of the export, in order.
EXPORT: tuple[str, ...] = tuple(""" id member_id loan_amnt funded_amnt funded_amnt_inv term int_rate
installment grade sub_grade emp_title emp_length home_ownership annual_inc verification_status
issue_d loan_status pymnt_plan url desc purpose title zip_code addr_state dti delinq_2yrs
earliest_cr_line fico_range_low fico_range_high inq_last_6mths mths_since_last_delinq
mths_since_last_record open_acc pub_rec revol_bal revol_util total_acc initial_list_status out_prncp
out_prncp_inv total_pymnt total_pymnt_inv total_rec_prncp total_rec_int total_rec_late_fee
recoveries collection_recovery_fee last_pymnt_d last_pymnt_amnt next_pymnt_d last_credit_pull_d
last_fico_range_high last_fico_range_low collections_12_mths_ex_med mths_since_last_major_derog
policy_code application_type annual_inc_joint dti_joint verification_status_joint acc_now_delinq
tot_coll_amt tot_cur_bal open_acc_6m open_act_il open_il_12m open_il_24m mths_since_rcnt_il
total_bal_il il_util open_rv_12m open_rv_24m max_bal_bc all_util total_rev_hi_lim inq_fi total_cu_tl
inq_last_12m acc_open_past_24mths avg_cur_bal bc_open_to_buy bc_util chargeoff_within_12_mths
delinq_amnt mo_sin_old_il_acct mo_sin_old_rev_tl_op mo_sin_rcnt_rev_tl_op mo_sin_rcnt_tl mort_acc
mths_since_recent_bc mths_since_recent_bc_dlq mths_since_recent_inq mths_since_recent_revol_delinq
num_accts_ever_120_pd num_actv_bc_tl num_actv_rev_tl num_bc_sats num_bc_tl num_il_tl num_op_rev_tl
num_rev_accts num_rev_tl_bal_gt_0 num_sats num_tl_120dpd_2m num_tl_30dpd num_tl_90g_dpd_24m
num_tl_op_past_12m pct_tl_nvr_dlq percent_bc_gt_75 pub_rec_bankruptcies tax_liens tot_hi_cred_lim
total_bal_ex_mort total_bc_limit total_il_high_credit_limit revol_bal_joint sec_app_fico_range_low
sec_app_fico_range_high sec_app_earliest_cr_line sec_app_inq_last_6mths sec_app_mort_acc
sec_app_open_acc sec_app_revol_util sec_app_open_act_il sec_app_num_rev_accts
sec_app_chargeoff_within_12_mths sec_app_collections_12_mths_ex_med
sec_app_mths_since_last_major_derog hardship_flag hardship_type hardship_reason hardship_status
deferral_term hardship_amount hardship_start_date hardship_end_date payment_plan_start_date
hardship_length hardship_dpd hardship_loan_status orig_projected_additional_accrued_interest
hardship_payoff_balance_amount hardship_last_payment_amount disbursement_method debt_settlement_flag
debt_settlement_flag_date settlement_status settlement_date settlement_amount settlement_percentage
settlement_term """.split())

BY_NAME = load(LENDINGCLUB).by_name
PURPOSES = BY_NAME["purpose"].levels
STATUSES = (
    "Fully Paid",
    "Charged Off",
    "Current",
    "In Grace Period",
    "Late (16-30 days)",
    "Late (31-120 days)",
    "Default",
)
FULLY_PAID, CHARGED_OFF, CURRENT, IN_GRACE, LATE_16, LATE_31, DEFAULTED = range(len(STATUSES))

_YES_NO = ("N", "Y")
_VERIFICATION = BY_NAME["verification_status"].levels
_TITLES = (
    "Car financing,Credit card refinancing,Debt consolidation,Student loan,Home improvement,"
    "Home buying,Major purchase,Medical expenses,Moving and relocation,Other,Green loan,Business,"
    "Vacation,Wedding"
)
_JOBS = (
    "Teacher,Manager,Owner,Registered Nurse,Driver,Supervisor,Sales,Project Manager,Office Manager,"
    "Director,General Manager,Engineer,Truck Driver,Administrative Assistant,Operations Manager,"
    "Analyst,Accountant,Technician,Police Officer,Mechanic,Attorney,Paralegal,Software Engineer,"
    "Electrician,Cashier,Server,Nurse,Store Manager,Assistant Manager,Machine Operator,Consultant,"
    "Customer Service,Foreman,Professor"
)
TEXTS: dict[str, tuple[str, ...]] = {
    "term": (" 36 months", " 60 months"),
    "grade": BY_NAME["grade"].levels,
    "sub_grade": BY_NAME["sub_grade"].levels,
    "emp_title": tuple(_JOBS.split(",")),
    "emp_length": ("< 1 year", "1 year", *(f"{n} years" for n in range(2, 10)), "10+ years", "n/a"),
    "home_ownership": BY_NAME["home_ownership"].levels,
    "verification_status": _VERIFICATION,
    "verification_status_joint": _VERIFICATION,
    "loan_status": STATUSES,
    "pymnt_plan": ("n", "y"),
    "desc": ("I want to pay off my cards at a lower rate.", "One payment instead of several."),
    "purpose": PURPOSES,
    "title": tuple(_TITLES.split(",")),
    "zip_code": tuple(f"{number:03d}xx" for number in range(1000)),
    "addr_state": tuple(name for name, _, _ in STATES),
    "initial_list_status": ("f", "w"),
    "application_type": BY_NAME["application_type"].levels,
    "hardship_flag": _YES_NO,
    "hardship_type": ("INTEREST ONLY-3 MONTHS DEFERRAL",),
    "hardship_reason": ("UNEMPLOYMENT", "MEDICAL", "REDUCED_HOURS", "EXCESSIVE_OBLIGATIONS"),
    "hardship_status": ("ACTIVE",),
    "hardship_loan_status": STATUSES,
    "disbursement_method": ("Cash", "DirectPay"),
    "debt_settlement_flag": _YES_NO,
    "settlement_status": ("ACTIVE", "COMPLETE", "BROKEN"),
}
_MONTH_NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTH_TEXTS = pl.Enum([f"{m}-{y}" for y in range(FIRST_YEAR, LAST_YEAR) for m in _MONTH_NAMES])
_MONTH_COLUMNS = frozenset("""
issue_d earliest_cr_line last_pymnt_d next_pymnt_d last_credit_pull_d sec_app_earliest_cr_line
hardship_start_date hardship_end_date payment_plan_start_date debt_settlement_flag_date
settlement_date
""".split())
_DECIMALS = frozenset("""
int_rate installment dti dti_joint revol_util bc_util percent_bc_gt_75 pct_tl_nvr_dlq
sec_app_revol_util out_prncp out_prncp_inv total_pymnt total_pymnt_inv total_rec_prncp
total_rec_int total_rec_late_fee recoveries collection_recovery_fee last_pymnt_amnt
hardship_amount hardship_payoff_balance_amount hardship_last_payment_amount
orig_projected_additional_accrued_interest settlement_amount settlement_percentage
""".split())


def month_index(year: int, month: int) -> int:
    """Return the index of a month, with `month` from 1 to 12."""
    return year * 12 + month - 1


_NEVER_FILLED = ("member_id", "url")
_TYPES: Mapping[str, pl.DataType] = (
    dict.fromkeys(EXPORT, pl.Int64())
    | dict.fromkeys(_DECIMALS, pl.Float64())
    | dict.fromkeys(_MONTH_COLUMNS, _MONTH_TEXTS)
    | dict.fromkeys(_NEVER_FILLED, pl.String())
    | {name: pl.Enum(texts) for name, texts in TEXTS.items()}
)

# From these months on, the export has a group of columns, or a product is offered.
LONG_TERM_FROM = month_index(2010, 5)
LATE_BUREAU_FROM = month_index(2012, 1)
JOINT_FROM = month_index(2015, 10)
NEWEST_BUREAU_FROM = month_index(2016, 1)
CO_APPLICANT_BUREAU_FROM = month_index(2017, 3)


def only_where(condition: Flags, values: npt.NDArray[Any]) -> Numbers:
    """Return the values if `condition` holds, and empty cells elsewhere."""
    return np.where(condition, values, np.nan)


def cents(dollars: Numbers) -> Numbers:
    """Round to two decimals, to the float that the decimal text reads back as."""
    # Adding zero turns -0.0 into 0.0.
    rounded: Numbers = np.rint(dollars * 100) / 100 + 0.0
    return rounded


def to_frame(cells: Cells, rows: int) -> pl.DataFrame:
    """Return the 151 columns of the export, in its order and always of the same types.

    Columns missing from `cells` are empty. As CSV written by polars, cells look as in the export.
    """
    return pl.DataFrame(
        [_series(name, cells[name]) if name in cells else _empty(name, rows) for name in EXPORT]
    )


def _series(name: str, values: npt.NDArray[Any]) -> pl.Series:
    dtype = _TYPES[name]
    if name in _MONTH_COLUMNS:
        values = values - FIRST_YEAR * 12
    series = pl.Series(name, values, nan_to_null=values.dtype.kind == "f")
    if dtype == pl.Float64:
        return series
    # The numbers are whole and small: checking for overflow would only triple the work.
    whole = series.cast(pl.Int64, wrap_numerical=True)
    return whole.cat.to(dtype) if isinstance(dtype, pl.Enum) else whole


def _empty(name: str, rows: int) -> pl.Series:
    return pl.repeat(None, rows, dtype=_TYPES[name], eager=True).alias(name)
