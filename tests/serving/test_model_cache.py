"""The files of served versions, and the children that fetch them."""

from pathlib import Path

import pytest

from loan_default.errors import InputError, ServiceError
from loan_default.serving.model_cache import ModelCache, cache_folder


def test_nothing_is_started_once_it_is_closed(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path, "loans", "staging")
    cache.close()
    with pytest.raises(ServiceError, match="stopping"):
        cache.start_fetch("1")
    assert list(tmp_path.iterdir()) == []


def test_it_is_a_local_folder() -> None:
    with pytest.raises(InputError, match="SERVE_CACHE_PATH='gs://loans/cache'"):
        with cache_folder("gs://loans/cache"):
            pass
