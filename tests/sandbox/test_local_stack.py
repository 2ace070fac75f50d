import subprocess
from pathlib import Path

import pytest

from loan_default.sandbox.local_stack import AIRFLOW, LocalStack


@pytest.mark.slow
def test_airflow_knows_the_user_that_the_stack_logs_in_with(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, user="bob")
    asked = subprocess.run(
        [*AIRFLOW, "config", "get-value", "core", "simple_auth_manager_users"],
        env=stack.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.splitlines()[-1] == "bob:admin"
