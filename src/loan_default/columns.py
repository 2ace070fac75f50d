"""The names that the platform itself gives to columns, whatever the portfolio's contract."""

# Of every record
ROW = "row"
ID = "id"
ISSUE_MONTH = "issue_month"
TERM = "term"
DEFAULT = "default"
# What a model adds to a record
PROBABILITY = "default_probability"
PREDICTION = "prediction"
REASONS = "reasons"
VERSION = "model_version"

RESERVED = frozenset(
    {ROW, ID, ISSUE_MONTH, TERM, DEFAULT, PROBABILITY, PREDICTION, REASONS, VERSION}
)
