"""How texts of files are compared and how their dates may be written."""

import re
from datetime import date

# Cells that hold nothing
MISSING_TEXTS = (
    ("", "n/a", "N/A", "NA", "nan", "NaN", "null", "NULL", "None", "#N/A", "<NA>", ".")
    # Databases, pandas' dates, spreadsheets
    + ("\\N", "(null)", "NaT", "-", "--")
)
# "auto" reads Dec-2010, 2010-12, 2010-12-31, 20101231 and whatever else has one meaning only
DATE_FORMS = ("auto", "month first", "day first")
_EPOCH = re.compile(r"days since (\d{4}-\d{2}-\d{2})")


def fold(text: str) -> str:
    """Return the text as it is compared: case, blanks, hyphens, dots and underscores are alike."""
    return re.sub(r"[\s\-_.]+", " ", text.strip()).strip().casefold()


def is_date_form(text: str) -> bool:
    """Return whether the text names a way to write dates."""
    try:
        return text in DATE_FORMS or epoch(text) is not None
    except ValueError:
        return False


def epoch(form: str) -> date | None:
    """Return the day from which `days since YYYY-MM-DD` counts; None for other forms."""
    match = _EPOCH.fullmatch(form)
    return date.fromisoformat(match[1]) if match else None
