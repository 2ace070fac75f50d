import polars as pl
import pytest

from loan_default.drafting import outcome_words
from loan_default.errors import InputError


def labels(texts: str, bad: str | None, running: str | None = None) -> dict[str, int | None]:
    return outcome_words.labels(pl.Series(texts.split()), "Verdict", bad, running)


@pytest.mark.parametrize(
    ("texts", "bad", "expected"),
    [
        ("ok ok lost", "lost", {"ok": 0, "lost": 1}),
        ("ok ok running lost", "lost", {"ok": 0, "running": None, "lost": 1}),
        ("no no yes", "yes", {"no": 0, "yes": 1}),
        ("0 0 1", "1", {"0": 0, "1": 1}),
        ("0.0 0.0 1.0", "1", {"0.0": 0, "1.0": 1}),
        ("bezahlt bezahlt ausgefallen laufend", "ausgefallen",
         {"bezahlt": 0, "ausgefallen": 1, "laufend": None}),
        ("good good bad", None, {"good": 0, "bad": 1}),
        ("ok Lost LOST2", "lost,lost2", {"ok": 0, "Lost": 1, "LOST2": 1}),
    ],
)  # fmt: skip
def test_words_are_told_apart(texts: str, bad: str | None, expected: dict[str, int | None]) -> None:
    assert labels(texts, bad) == expected


def test_a_word_that_may_mean_a_running_loan_is_asked_for() -> None:
    with pytest.raises(InputError, match="give --open-when WORD.* what parked means is not plain"):
        labels("ok ok ok parked parked lost", "lost")
    assert labels("ok ok parked lost", "lost", "parked")["parked"] is None
    assert labels("ok ok parked lost", "lost", "")["parked"] == 0


def test_a_column_of_many_texts_is_no_outcome() -> None:
    with pytest.raises(InputError, match="it holds 40 different texts"):
        labels(" ".join(map(str, range(40))), "3")


def test_a_word_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="--open-when live: Verdict holds ok, lost"):
        labels("ok ok lost", "lost", "live")
