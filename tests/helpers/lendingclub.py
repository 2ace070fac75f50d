"""LendingClub's contract, the built-in one, and what most tests take from it."""

from loan_default.columns import TERM
from loan_default.contract.load import LENDINGCLUB, load
from loan_default.synthetic import layout

CONTRACT = load(LENDINGCLUB)
RECORD, BY_NAME = CONTRACT.record, CONTRACT.by_name
NAMES, CORE = CONTRACT.names, CONTRACT.core
NUMBERS, CATEGORIES = CONTRACT.numbers, CONTRACT.categories
FEATURES, LEVELS = CONTRACT.features, CONTRACT.levels
RISKS, REASONS = CONTRACT.risks, CONTRACT.reasons
RAW_SOURCE, SOURCES = CONTRACT.raw_source, CONTRACT.sources
STATUS, LABELS = CONTRACT.outcome.column, CONTRACT.outcome.labels
(POLICY_PREFIX,) = CONTRACT.outcome.prefixes
AS_OF_SOURCES = CONTRACT.loan.known_through
KNOWN_AFTERWARDS, PROXIES = CONTRACT.never.known_afterwards, CONTRACT.never.proxies
EXPORT = layout.EXPORT

assert TERM in NAMES
