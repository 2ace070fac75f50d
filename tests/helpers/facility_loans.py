"""Business loans of five years, some of which still run, with much that is known only afterwards.

No column name is shared with LendingClub's or with the workshops'.
"""

from datetime import date

import numpy as np
import polars as pl

from loan_default.drafting import leaks, money, sample
from loan_default.drafting.columns import Column, read
from loan_default.drafting.leaks import Loans

AS_OF = date(2022, 6, 30)
HONEST = {
    "tenor_m", "facility_amount", "turnover_pm", "headcount", "sector", "bureau_points",
    "existing_debt", "margin_pct", "first_open_day",
}  # fmt: skip
LEAKS = {
    "final_settlement", "last_contact", "workout_team", "service_index", "visits", "file_flag",
    "recoveries_gbp",
}  # fmt: skip
PROXIES = {"postcode", "owner_age", "remarks"}
WORDS = "van stock season invoices early supplier equipment site".split()


def facilities(
    rows: int = 8_000, seed: int = 1, epoch: date = date(1970, 1, 1), all_ended: bool = False
) -> pl.DataFrame:
    """`rows` loans of 12 to 36 months, booked from 2017 to 2021; days are counted from `epoch`."""
    draw = np.random.default_rng(seed)
    booked = (date(2017, 1, 1) - epoch).days + np.sort(draw.integers(0, 5 * 365, rows))
    tenor = draw.choice([12, 24, 36], rows)
    amount = np.round(np.exp(draw.normal(10, 0.8, rows)), -2)
    turnover = np.round(np.exp(draw.normal(10.2, 0.9, rows)))
    sector = draw.choice(["Retail", "Building", "Hotels"], rows)
    points = np.clip(draw.normal(600, 80, rows), 300, 850).round()
    debt = np.round(turnover * draw.gamma(1.5, 0.8, rows))
    odds = -2.3 + 0.5 * np.log(amount / turnover) - 0.008 * (points - 600) + (sector == "Hotels")
    bad = draw.random(rows) < 1 / (1 + np.exp(-odds - draw.normal(0, 0.6, rows)))
    early = np.where(draw.random(rows) < 0.35, draw.random(rows) * tenor * 20, 0)
    lasted = np.where(bad, 60 + draw.beta(1.6, 2, rows) * tenor * 30, tenor * 30.4 - early)
    as_of = (AS_OF - epoch).days
    end = booked + lasted.astype(int)
    ended = np.full(rows, True) if all_ended else end <= as_of
    year = 2017 + (booked - booked.min()) // 365
    lost = bad & ended

    def filled(values: object, where: np.ndarray) -> pl.Series:
        return pl.Series(values).set(pl.Series(~where), None)

    def sterling(values: np.ndarray) -> list[str]:
        return [f"£{value:,.2f}" for value in values]

    outcome = np.where(ended, np.where(bad, "lost", "ok"), "running")
    return pl.DataFrame(
        {
            "facility_ref": [f"F{n:07d}" for n in draw.permutation(rows)],
            "booked_day": booked,
            "tenor_m": tenor,
            "facility_amount": sterling(amount),
            "turnover_pm": turnover,
            "headcount": filled(
                draw.poisson(6, rows) + 1,
                draw.random(rows) > np.array([0.6, 0.3, 0.1, 0, 0, 0])[year - 2017],
            ),
            "sector": sector,
            "bureau_points": filled(points, draw.random(rows) > 0.07),
            "existing_debt": sterling(debt),
            "margin_pct": np.round(8 + 2 * (odds + 0.5 * draw.normal(size=rows)), 2).clip(3, 30),
            "first_open_day": booked - draw.integers(200, 5_000, rows),
            "postcode": draw.choice([f"LS{n}" for n in range(1, 30)], rows),
            "owner_age": draw.integers(22, 75, rows),
            "remarks": [" ".join(words) for words in draw.choice(WORDS, (rows, 7))],
            "final_settlement": filled(
                np.where(bad, amount * draw.random(rows) / 2, amount * 1.1).round(2), ended
            ),
            "last_contact": np.minimum(end, as_of + 10_000 * all_ended) + draw.integers(1, 9, rows),
            "workout_team": filled(draw.choice(["A", "B"], rows), lost),
            "service_index": filled(draw.normal(50 + 5.5 * bad, 10).round(1), ended),
            "visits": draw.poisson(1 + (np.minimum(end, as_of) - booked).clip(0) / 250),
            "file_flag": np.where(lost & (draw.random(rows) < 0.1), "H", "K"),
            "recoveries_gbp": filled(sterling(amount * draw.random(rows) * 0.3), lost),
            "outcome": outcome,
        }
    )


ANSWERS: dict[str, str | None] = {
    "id": "facility_ref",
    "issued": "booked_day",
    "term": "tenor_m",
    "outcome": "outcome",
    "default_when": "lost",
}


def loans_of(table: pl.DataFrame) -> tuple[Loans, dict[str, Column]]:
    """What drafting knows of the loans, and their columns as it reads them."""
    cells = table.cast(pl.String)
    facts = sample.guess(cells, ANSWERS)
    issued, form = sample.issue_months(cells, "booked_day")
    columns = {n: read(n, cells[n], cells["booked_day"], form) for n in cells.columns}
    tenor = columns["tenor_m"].numbers
    loans = Loans(leaks.month_numbers(issued), sample.defaults(cells, facts), tenor)
    end = money.default_month([columns["last_contact"]], loans)
    assert end
    price = leaks.price(list(columns.values()), loans)
    return (
        Loans(
            loans.issued,
            loans.default,
            tenor,
            end[0],
            leaks.life(columns["last_contact"], loans),
            price,
        ),
        columns,
    )
