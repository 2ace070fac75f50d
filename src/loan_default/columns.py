"""The names that the platform itself gives to columns, whatever the portfolio's contract."""

# Of every record
ROW = "row"
ID = "id"
ISSUE_MONTH = "issue_month"
TERM = "term"
DEFAULT = "default"
# Of a loan whose outcome is known, for training and evaluation only
OUTCOME_MONTH = "outcome_month"
LENT = "amount_lent"
RETURNED = "amount_returned"
RECOVERED = "amount_recovered"
MONEY = (LENT, RETURNED, RECOVERED)
# What a model adds to a record
PROBABILITY = "default_probability"
PREDICTION = "prediction"
REASONS = "reasons"
EXPECTED_LOSS = "expected_loss"
EXPECTED_RETURN = "expected_return"
VERSION = "model_version"

RESERVED = frozenset(
    {ROW, ID, ISSUE_MONTH, TERM, DEFAULT, OUTCOME_MONTH, *MONEY}
    | {PROBABILITY, PREDICTION, REASONS, VERSION}
)
