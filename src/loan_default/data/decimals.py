"""Decimal commas: find out that a file writes them, and write points instead.

`12,500` may be twelve and a half or twelve thousand five hundred; only cells with one meaning tell.
"""

import polars as pl

from loan_default.errors import InputError

ROWS = 20_000
# Up to this share of the cells that tell may tell the other mark
_TYPOS = 0.05


def _pattern(decimal: str, thousands: str) -> str:
    """Return what shows a decimal mark: 10,65 and 1.234,5 and 1234,567 do, 1,234 does not."""
    plain = rf"\d+{decimal}(?:\d{{1,2}}|\d{{4,}})|0{decimal}\d+|\d{{4,}}{decimal}\d+"
    grouped = rf"\d{{1,3}}(?:{thousands}\d{{3}})+{decimal}\d+"
    # A sign or a unit may stand around it
    return rf"^\D*(?:{plain}|{grouped})[^\d,.]*$"


_COMMA, _POINT = _pattern(",", r"\."), _pattern(r"\.", ",")
# What a number with decimal commas may look like
_WITH_COMMA = r"^\D*(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?[^\d,.]*$"


def mark(path: str, columns: pl.DataFrame) -> str | None:
    """Return the decimal mark that the cells of numeric columns show; None if they show none.

    Raises:
        InputError: many show a comma and many a point.
    """
    comma = _showing(columns, ",", _COMMA)
    of_comma = sum(len(cells) for cells, _ in comma)
    # A few among many 12,500 are mistyped
    if of_comma <= _TYPOS * sum(commas for _, commas in comma):
        return "." if _showing(columns, ".", _POINT) else None
    point = _showing(columns, ".", _POINT)
    share = of_comma / (of_comma + sum(len(cells) for cells, _ in point))
    if _TYPOS < share < 1 - _TYPOS:
        raise InputError(
            f"{path} writes decimals with a comma ({_example(comma)}) and with a point "
            f"({_example(point)}): use one"
        )
    return "," if share >= 1 - _TYPOS else "."


def with_points(columns: pl.DataFrame) -> pl.DataFrame:
    """Return texts of numbers with decimal commas with points, without separators of thousands."""
    points = pl.all().str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return columns.select(
        pl.when(pl.all().str.contains(_WITH_COMMA)).then(points).otherwise(pl.all())
    )


def _showing(columns: pl.DataFrame, sign: str, pattern: str) -> list[tuple[pl.Series, int]]:
    """Return, by column that shows a mark, the cells that do and how many have the sign at all."""
    found = []
    for cells in columns.head(ROWS):
        # Most columns have none, and looking for the sign alone is several times as fast
        some = cells.filter(cells.str.contains(sign, literal=True))
        showing = some.filter(some.str.contains(pattern))
        if len(showing):
            found.append((showing, len(some)))
    return found


def _example(columns: list[tuple[pl.Series, int]]) -> str:
    cells = columns[0][0]
    return f"{cells.name} {cells[0].strip()[:40]!r}"
