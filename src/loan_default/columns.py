"""The data contract: each column's kind, unit and range, and the columns that are never features.

The names are those of the LendingClub export (`accepted_2007_to_2018Q4.csv`, 151 columns) and its
data dictionary. A *typed application record* holds the columns of `RECORD`: numbers in everyday
units, categories as strings. All but the core columns may be missing.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "category"]

COUNT = (0, 1_000)
MONTHS = (0, 1_200)
DOLLARS = (0, 1e9)
PERCENT = (0, 10_000)


@dataclass(frozen=True)
class Column:
    """One column of the typed application record.

    Attributes:
        name: the column's typed name.
        kind: number or category.
        unit: the unit of a number, in words.
        low: smallest allowed number.
        high: largest allowed number.
        levels: known values of a category; others count as missing.
        ordered: whether the levels are encoded by rank.
        core: whether a row without the column is rejected.
        risk: direction in which a number may move the default probability: +1 up, -1 down, 0 free.
        reason: phrase for the adverse-action notice when the column counted against the applicant;
            None if the lender set the value.
    """

    name: str
    kind: Kind
    unit: str
    low: float = 0
    high: float = 0
    levels: tuple[str, ...] = ()
    ordered: bool = False
    core: bool = False
    risk: Literal[-1, 0, 1] = 0
    reason: str | None = None


def _number(
    name: str,
    unit: str,
    bounds: tuple[float, float],
    reason: str | None,
    core: bool = False,
    risk: Literal[-1, 0, 1] = 0,
) -> Column:
    return Column(name, "number", unit, *bounds, core=core, risk=risk, reason=reason)


def _category(name: str, levels: str, reason: str | None, ordered: bool = False) -> Column:
    names = tuple(level.strip() for level in levels.split(","))
    return Column(name, "category", "", levels=names, reason=reason, ordered=ordered)


# The phrases follow the sample adverse-action form C-1 of Regulation B (12 CFR 1002, Appendix C).
_AMOUNT = "Amount of credit requested"
_TERM = "Length of the loan requested"
_INCOME = "Income insufficient for amount of credit requested"
_OBLIGATIONS = "Excessive obligations in relation to income"
_EMPLOYMENT = "Length of employment"
_HOUSING = "Type of residence"
_UNVERIFIED = "Unable to verify income"
_PURPOSE = "Purpose of the loan"
_JOINT = "Income or obligations of the co-applicant"
_SCORE = "Credit score"
_HISTORY = "Length of credit history"
_INQUIRIES = "Number of recent inquiries on credit bureau report"
_DELINQUENT = "Delinquent past or present credit obligations with others"
_RECORD = "Collection action, judgment, tax lien or bankruptcy"
_UTILIZATION = "Proportion of revolving credit in use"
_BALANCES = "Amount owed on accounts"
_ACCOUNTS = "Number and type of credit accounts"
_RECENT = "Number of recently opened accounts"
_LIMITS = "Available credit"

_SUB_GRADES = ",".join(f"{grade}{step}" for grade in "ABCDEFG" for step in range(1, 6))

RECORD: tuple[Column, ...] = (
    _number("loan_amnt", "dollars", (100, 1e6), _AMOUNT, core=True),
    _number("term", "months", (1, 480), _TERM, core=True, risk=1),
    _number("int_rate", "percent a year", (1, 100), None, core=True, risk=1),
    _number("installment", "dollars a month", (0.01, 1e6), None),
    _category("grade", "A,B,C,D,E,F,G", None, ordered=True),
    _category("sub_grade", _SUB_GRADES, None, ordered=True),
    _number("emp_length", "years, 10 means 10 or more", (0, 80), _EMPLOYMENT),
    _category("home_ownership", "ANY,MORTGAGE,NONE,OTHER,OWN,RENT", _HOUSING),
    _number("annual_inc", "dollars a year", DOLLARS, _INCOME, core=True, risk=-1),
    _category("verification_status", "Not Verified,Source Verified,Verified", _UNVERIFIED),
    _category(
        "purpose",
        "car,credit_card,debt_consolidation,educational,home_improvement,house,major_purchase,"
        "medical,moving,other,renewable_energy,small_business,vacation,wedding",
        _PURPOSE,
    ),
    _category("application_type", "Individual,Joint App", _JOINT),
    _number("dti", "percent of income", PERCENT, _OBLIGATIONS, risk=1),
    _number("annual_inc_joint", "dollars a year", DOLLARS, _JOINT, risk=-1),
    _number("dti_joint", "percent of income", PERCENT, _JOINT, risk=1),
    _number("credit_history_months", "months", MONTHS, _HISTORY, risk=-1),
    _number("fico_range_low", "FICO points", (300, 850), _SCORE, risk=-1),
    _number("inq_last_6mths", "inquiries", COUNT, _INQUIRIES, risk=1),
    _number("delinq_2yrs", "delinquencies", COUNT, _DELINQUENT, risk=1),
    _number("mths_since_last_delinq", "months", MONTHS, _DELINQUENT),
    _number("mths_since_last_major_derog", "months", MONTHS, _DELINQUENT),
    _number("acc_now_delinq", "accounts", COUNT, _DELINQUENT, risk=1),
    _number("pct_tl_nvr_dlq", "percent of accounts", (0, 100), _DELINQUENT, risk=-1),
    _number("mths_since_last_record", "months", MONTHS, _RECORD),
    _number("pub_rec", "records", COUNT, _RECORD, risk=1),
    _number("pub_rec_bankruptcies", "records", COUNT, _RECORD, risk=1),
    _number("tax_liens", "records", COUNT, _RECORD, risk=1),
    _number("collections_12_mths_ex_med", "collections", COUNT, _RECORD, risk=1),
    _number("tot_coll_amt", "dollars", DOLLARS, _RECORD),
    _number("revol_bal", "dollars", DOLLARS, _BALANCES),
    _number("revol_util", "percent of limits", PERCENT, _UTILIZATION, risk=1),
    _number("bc_util", "percent of limits", PERCENT, _UTILIZATION, risk=1),
    _number("all_util", "percent of limits", PERCENT, _UTILIZATION, risk=1),
    _number("percent_bc_gt_75", "percent of bankcards", (0, 100), _UTILIZATION, risk=1),
    _number("open_acc", "accounts", COUNT, _ACCOUNTS),
    _number("total_acc", "accounts", COUNT, _ACCOUNTS),
    _number("mort_acc", "accounts", COUNT, _ACCOUNTS),
    _number("tot_cur_bal", "dollars", DOLLARS, _BALANCES),
    _number("avg_cur_bal", "dollars", DOLLARS, _BALANCES),
    _number("total_rev_hi_lim", "dollars", DOLLARS, _LIMITS),
    _number("bc_open_to_buy", "dollars", DOLLARS, _LIMITS),
    _number("tot_hi_cred_lim", "dollars", DOLLARS, _LIMITS),
    _number("acc_open_past_24mths", "accounts", COUNT, _RECENT, risk=1),
    _number("num_tl_op_past_12m", "accounts", COUNT, _RECENT, risk=1),
    _number("mo_sin_old_rev_tl_op", "months", MONTHS, _HISTORY),
    _number("mo_sin_rcnt_tl", "months", MONTHS, _RECENT),
    _number("mths_since_recent_inq", "months", MONTHS, _INQUIRIES),
    _number("inq_last_12m", "inquiries", COUNT, _INQUIRIES, risk=1),
)

BY_NAME: dict[str, Column] = {column.name: column for column in RECORD}
NAMES: tuple[str, ...] = tuple(BY_NAME)
CORE: tuple[str, ...] = tuple(column.name for column in RECORD if column.core)
NUMBERS: tuple[str, ...] = tuple(column.name for column in RECORD if column.kind == "number")
CATEGORIES: tuple[str, ...] = tuple(column.name for column in RECORD if column.kind == "category")

ID = "id"
ISSUE_MONTH = "issue_month"
TERM = "term"
DEFAULT = "default"
STATUS = "loan_status"
# Columns that a model adds to a record.
PROBABILITY = "default_probability"
PREDICTION = "prediction"
REASONS = "reasons"
VERSION = "model_version"

# Typed columns that are computed from a raw column of another name.
RAW_SOURCE = {"credit_history_months": "earliest_cr_line", ISSUE_MONTH: "issue_d"}

# Label by loan status: 1 defaulted, 0 paid in full, None still open.
POLICY_PREFIX = "Does not meet the credit policy. Status:"
LABELS: dict[str, int | None] = {
    "Charged Off": 1,
    "Default": 1,
    "Fully Paid": 0,
    "Current": None,
    "In Grace Period": None,
    "Issued": None,
    "Late (16-30 days)": None,
    "Late (31-120 days)": None,
}

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

# Known only after the loan was granted: a model trained on one of these reaches an AUC of 0.99 and
# predicts nothing.
KNOWN_AFTERWARDS: frozenset[str] = frozenset(""" loan_status funded_amnt funded_amnt_inv pymnt_plan
out_prncp out_prncp_inv total_pymnt total_pymnt_inv total_rec_prncp total_rec_int total_rec_late_fee
recoveries collection_recovery_fee last_pymnt_d last_pymnt_amnt next_pymnt_d last_credit_pull_d
last_fico_range_high last_fico_range_low hardship_flag hardship_type hardship_reason hardship_status
deferral_term hardship_amount hardship_start_date hardship_end_date payment_plan_start_date
hardship_length hardship_dpd hardship_loan_status orig_projected_additional_accrued_interest
hardship_payoff_balance_amount hardship_last_payment_amount debt_settlement_flag
debt_settlement_flag_date settlement_status settlement_date settlement_amount settlement_percentage
settlement_term """.split())

# The place of residence is a proxy for protected characteristics: never a feature (ECOA, 12 CFR
# 1002.4).
PROXIES: frozenset[str] = frozenset({"zip_code", "addr_state"})
