"""A small portfolio of business loans that shares no column name with LendingClub's."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

EPOCH = date(1970, 1, 1)
LEAKS = {"VisitCount", "Closing Day", "Fund Shortfall", "Phase Code"}
SECTORS = ["Bakery", "Joinery", "Car repair"]


def portfolio(rows: int = 4_000, seed: int = 3) -> pl.DataFrame:
    """`rows` loans of 12 or 24 months, opened from 2015 to 2018, all of them finished by 2021."""
    draw = np.random.default_rng(seed)
    start = (date(2015, 1, 1) - EPOCH).days + np.sort(draw.integers(0, 1_400, rows))
    turnover = draw.lognormal(12, 0.6, rows)
    amount = draw.integers(10, 400, rows) * 250.0
    staff = draw.integers(1, 40, rows)
    sector = draw.integers(0, 3, rows)
    months = draw.choice([12, 24], rows)
    odds = -1.6 + 0.5 * np.log(amount / turnover) + 0.9 * (sector == 2) - 0.05 * staff + months / 20
    bad = draw.random(rows) < 1 / (1 + np.exp(-odds))
    lasted = np.where(bad, draw.integers(40, 300, rows), months * 30)
    return pl.DataFrame(
        {
            "Contract Ref": [f"W{n:06d}" for n in range(rows)],
            "Start Day": start,
            "Months Agreed": months,
            "Credit Amount": amount,
            "Turnover": turnover.round(0),
            "Staff": pl.Series(staff).set(pl.Series(draw.random(rows) < 0.1), None),
            "Sector": [SECTORS[place] for place in sector],
            "Postcode": [f"{n}" for n in draw.integers(1_000, 1_050, rows)],
            "Branch Type": ["main"] * rows,
            "VisitCount": np.where(bad, draw.poisson(6, rows), draw.poisson(1, rows)),
            "Closing Day": start + lasted,
            "Fund Shortfall": np.where(bad, (amount * draw.random(rows)).round(2), 0.0),
            "Phase Code": np.where(bad & (draw.random(rows) < 0.7), "R", None),
            "Verdict": np.where(bad, "soured", "honoured"),
        }
    )


def write(folder: Path, rows: int = 4_000) -> Path:
    """The portfolio as a CSV."""
    path = folder / "workshops.csv"
    portfolio(rows).write_csv(path)
    return path
