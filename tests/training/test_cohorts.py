from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.errors import InputError
from loan_default.training.cohorts import complete_months, matured, split
from properties import tries

AS_OF = date(2013, 6, 1)


def month(number: int) -> date:
    """The month that many months after January 2010."""
    return date(2010 + number // 12, number % 12 + 1, 1)


def loans(*rows: tuple[date, int, int | None]) -> pl.DataFrame:
    schema = {"issue_month": pl.Date, "term": pl.Float64, "default": pl.Int8}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_row_index("id")


def both(issued: date, number: int = 2, term: int = 36) -> list[tuple]:
    """Loans of one month, paid and defaulted in turn."""
    return [(issued, term, place % 2) for place in range(number)]


def ids(frame: pl.DataFrame) -> list[int]:
    return frame["id"].to_list()


def test_a_loan_matures_in_the_month_in_which_its_term_ends():
    frame = loans(
        (date(2010, 6, 1), 36, 0),
        (date(2010, 7, 1), 36, 0),
        (date(2008, 6, 1), 60, 1),
        (date(2008, 7, 1), 60, 1),
        (date(2013, 5, 1), 1, 0),
        (date(2013, 6, 1), 1, 0),
    )
    assert ids(matured(frame, AS_OF)) == [0, 2, 4]


def test_an_unfinished_loan_is_not_taken_even_past_its_term():
    frame = loans((date(2009, 1, 1), 36, None), (date(2009, 1, 1), 36, 1))
    assert ids(matured(frame, AS_OF)) == [1]


def test_an_early_ending_does_not_make_a_loan_mature():
    frame = loans((date(2012, 1, 1), 36, 1), (date(2012, 1, 1), 36, 0), (date(2009, 1, 1), 36, 0))
    assert ids(matured(frame, AS_OF)) == [2]


@pytest.mark.parametrize("frame", [loans(*both(date(2012, 1, 1))), loans()])
def test_no_matured_loan_is_refused(frame):
    with pytest.raises(InputError, match="no loan has matured by 2013-06 .* with --as-of$"):
        matured(frame, AS_OF)
    with pytest.raises(InputError, match="no loan has matured by 2013-06"):
        split(frame, AS_OF, 0.2)


def test_a_month_is_complete_when_every_term_on_offer_has_matured():
    frame = loans(
        (month(5), 36, 0),
        (month(3), 36, 0),
        (month(4), 36, 0),
        (month(4), 60, 1),
        (month(6), 36, 0),
        (date(2008, 6, 1), 60, 1),
    )
    assert complete_months(frame, AS_OF) == [date(2008, 6, 1), month(3), month(5)]


def test_a_running_loan_counts_as_a_term_on_offer():
    frame = loans((month(3), 36, 0), (month(4), 36, 0), (month(4), 60, None))
    assert complete_months(frame, AS_OF) == [month(3)]


def test_the_test_is_the_newest_complete_months_with_the_least_share():
    frame = loans(*(row for number in range(5) for row in both(month(number), 10)))
    for share, months in [(0.19, 1), (0.2, 1), (0.21, 2), (0.4, 2), (0.41, 3), (0.8, 4)]:
        made = split(frame, AS_OF, share)
        assert made.test_from == month(5 - months), share
        assert made.test.height == 10 * months
        assert made.earlier.height == 50 - 10 * months
        assert (made.fit_through, made.test_through) == (month(4 - months), month(4))


@pytest.mark.parametrize("percent", range(2, 100, 2))
def test_a_share_that_is_met_exactly_needs_no_month_more(percent):
    frame = loans(*both(month(0), 100 - percent), *both(month(1), 0), *both(month(2), percent))
    assert split(frame, AS_OF, float(f"0.{percent:02d}")).test.height == percent


def test_three_of_thirty_are_a_tenth():
    frame = loans(*both(month(0), 24), *both(month(1), 3), *both(month(2), 3))
    assert split(frame, AS_OF, 0.1).test_from == month(2)


def test_a_month_is_never_cut_in_two_and_the_first_one_is_never_tested_on():
    frame = loans(*both(month(0), 2), *both(month(1), 4), *both(month(2), 4))
    for share in (0.7, 0.9, 0.999):
        made = split(frame, AS_OF, share)
        assert (made.test_from, made.earlier.height, made.test.height) == (month(1), 2, 8)


def test_incomplete_months_are_learned_from_and_never_tested_on():
    running = [(month(number), 60, None) for number in (2, 3)]
    frame = loans(*(row for number in range(6) for row in both(month(number))), *running)
    made = split(frame, AS_OF, 0.1)
    assert made.test["issue_month"].unique().to_list() == [month(5)]
    assert month(3) in made.earlier["issue_month"].to_list()
    complete = dict(zip(made.matured["issue_month"], made.complete))
    assert complete == {month(number): number not in (2, 3) for number in range(6)}
    made = split(frame, AS_OF, 0.6)
    assert made.test["issue_month"].unique().sort().to_list() == [month(1), month(4), month(5)]
    assert made.matured.height == 12


def test_incomplete_months_after_the_test_are_in_neither_part_but_may_be_learned_from_at_last():
    late = [(month(5), 36, 0), (month(5), 36, 1), (month(5), 60, None)]
    frame = loans(*(row for number in range(4) for row in both(month(number))), *late)
    made = split(frame, AS_OF, 0.25)
    assert made.test_through == month(3)
    assert made.fit_through == month(2)
    assert made.matured.height == 10
    assert made.complete.to_list() == [True] * 8 + [False] * 2


def test_the_share_is_one_of_the_loans_in_complete_months():
    incomplete = [*both(month(2), 50), (month(2), 60, None)]
    frame = loans(*both(month(0), 6), *both(month(1), 4), *incomplete)
    assert split(frame, AS_OF, 0.4).test["issue_month"].unique().to_list() == [month(1)]


def test_months_in_which_no_loan_finished_do_not_count_as_complete():
    frame = loans(*both(month(0)), *both(month(1)), (month(2), 36, None))
    assert split(frame, AS_OF, 0.5).test_from == month(1)


def test_the_first_test_month_may_be_given():
    frame = loans(*(row for number in range(5) for row in both(month(number))))
    made = split(frame, AS_OF, 0.9, test_from=month(4))
    assert (made.test_from, made.fit_through, made.test.height) == (month(4), month(3), 2)
    made = split(frame, AS_OF, 0.1, test_from=month(1))
    assert (made.earlier.height, made.test.height) == (2, 8)


@pytest.mark.parametrize(
    "first, message",
    [(month(0), "issued before 2010-01: choose"), (month(9), "issued from 2010-10 on: choose")],
)
def test_a_first_test_month_that_leaves_one_side_empty_is_refused(first, message):
    frame = loans(*both(month(0)), *both(month(1)))
    with pytest.raises(InputError, match=f"no matured loan was {message} another --test-from"):
        split(frame, AS_OF, 0.5, test_from=first)


def test_a_first_test_month_with_incomplete_months_only_is_refused():
    frame = loans(*both(month(0)), *both(month(1)), (month(0), 60, None), (month(1), 60, None))
    with pytest.raises(InputError, match="issued from 2010-02 on: choose another --test-from"):
        split(frame, AS_OF, 0.5, test_from=month(1))


@pytest.mark.parametrize("months", [(0,), (0, 1)])
def test_fewer_than_two_complete_months_are_refused(months):
    running = [(month(number), 60, None) for number in months[1:]]
    frame = loans(*(row for number in months for row in both(month(number))), *running)
    with pytest.raises(InputError, match="fewer than two issue months have matured .* older loans"):
        split(frame, AS_OF, 0.5)


@pytest.mark.parametrize("outcome, words", [(1, "defaulted"), (0, "was paid in full")])
def test_one_class_on_either_side_is_refused(outcome, words):
    one = [(month(0), 36, outcome)] * 2
    with pytest.raises(InputError, match=f"every matured loan issued before 2010-02 {words}: "):
        split(loans(*one, *both(month(1))), AS_OF, 0.5)
    one = [(month(1), 36, outcome)] * 2
    with pytest.raises(InputError, match=f"every matured loan issued from 2010-02 on {words}: "):
        split(loans(*both(month(0)), *one), AS_OF, 0.5)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 14).map(month),
        st.sampled_from([36, 36, 60]),
        st.sampled_from([0, 1, None]),
    ),
    min_size=30,
    max_size=60,
)


@tries(40)
@given(ROWS, st.floats(0.05, 0.95), st.sampled_from([date(2014, 3, 1), date(2016, 1, 1)]))
def test_every_split_learns_from_before_and_tests_on_complete_months_after(rows, share, as_of):
    frame = loans(*rows)
    try:
        made = split(frame, as_of, share)
    except InputError:
        return
    months = complete_months(frame, as_of)
    assert made.fit_through < made.test_from <= made.test["issue_month"].min()
    assert made.test["issue_month"].is_in(months).all()
    assert set(ids(made.earlier)) | set(ids(made.test)) <= set(ids(made.matured))
    assert made.complete.to_list() == made.matured["issue_month"].is_in(months).to_list()
    testable = made.matured.filter(made.complete)
    second = testable["issue_month"].unique().sort()[1]
    assert made.test.height >= share * testable.height or made.test_from == second
    without_first = made.test.filter(pl.col("issue_month") > made.test_from)
    assert without_first.height < share * testable.height
