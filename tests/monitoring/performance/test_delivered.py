from loan_default.monitoring.performance.delivered import MatchedIds, findings, is_low


def test_a_delivery_without_trouble_needs_no_word() -> None:
    assert findings(0, 0, MatchedIds(10, 10, None), 0.5, ["7"]) == []
    assert findings(0, 0, None, 0.5, []) == []


def test_each_trouble_has_its_sentence() -> None:
    assert findings(2, 3, MatchedIds(906, 12, "17.5"), 0.5, ["17"]) == [
        "12 of 906 delivered outcomes belong to a scored application, not for example '17.5'; "
        "scored was '17'",
        "2 ids were delivered both as defaulted and as repaid: they have no outcome until a "
        "delivery corrects them",
        "3 outcomes were corrected by the delivery",
    ]
    assert findings(0, 0, MatchedIds(9, 0, "a"), 0.5, [])[0].endswith("not for example 'a'")


def test_few_is_below_the_share() -> None:
    half = MatchedIds(10, 5, "a")
    assert half.share == 0.5
    assert not is_low(half, 0.5) and is_low(half, 0.51)
    assert not is_low(None, 1) and not is_low(MatchedIds(0, 0, None), 1)
    assert not is_low(MatchedIds(10, 0, "a"), 0)
