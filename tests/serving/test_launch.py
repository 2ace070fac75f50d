"""The first alias lookup, which runs while the server starts."""

import threading
from pathlib import Path

import pytest

from loan_default.errors import ServiceError
from loan_default.registry.alias_lookup import AliasTarget
from loan_default.serving.launch import EarlyLookup
from loan_default.serving.model_cache import ModelCache


def cache_with(folder: Path, version: str) -> ModelCache:
    """A cache that has the version already, so that nothing is fetched."""
    cache = ModelCache(folder, "loans", "staging")
    cache.folder_of(version).mkdir()
    return cache


def test_the_first_call_returns_what_was_found_at_the_start_and_later_ones_look_again(
    tmp_path: Path,
) -> None:
    targets = iter([AliasTarget("1", False), AliasTarget("2", True), None])
    lookup = EarlyLookup(lambda: next(targets), cache_with(tmp_path, "1"))
    assert [lookup() for _ in range(3)] == [AliasTarget("1", False), AliasTarget("2", True), None]


def test_a_failure_of_the_first_lookup_is_raised_by_the_first_call_alone(tmp_path: Path) -> None:
    failures = iter([ServiceError("down")])

    def look_up() -> AliasTarget | None:
        for failure in failures:
            raise failure
        return AliasTarget("1", True)

    lookup = EarlyLookup(look_up, cache_with(tmp_path, "1"))
    with pytest.raises(ServiceError, match="down"):
        lookup()
    assert lookup() == AliasTarget("1", True)


def test_a_registry_that_hangs_does_not_delay_the_start(tmp_path: Path) -> None:
    answered = threading.Event()

    def look_up() -> AliasTarget | None:
        assert answered.wait(20)
        return AliasTarget("1", True)

    lookup = EarlyLookup(look_up, cache_with(tmp_path, "1"))
    answered.set()
    assert lookup() == AliasTarget("1", True)
