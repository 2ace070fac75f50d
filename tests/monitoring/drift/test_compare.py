import pytest

from lendingclub import CONTRACT
from loan_default.errors import InputError
from loan_default.monitoring.drift import compare
from loan_default.settings import Settings


def test_a_threshold_for_a_column_that_the_contract_lacks_is_refused() -> None:
    known = Settings(drift_column_thresholds={"dti": 0.2, "annual_inc:missing": 0.1})
    assert compare.thresholds(known, CONTRACT).missing_of("annual_inc") == 0.1
    unknown = Settings(drift_column_thresholds={"zip_code:missing": 0.2})
    with pytest.raises(InputError, match="zip_code:missing.: not a monitored column of LendingC"):
        compare.thresholds(unknown, CONTRACT)
