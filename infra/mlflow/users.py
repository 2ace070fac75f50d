"""Create the MLflow accounts of the platform's services, and the registered model without versions.

Run it once the server is up. Running it again resets the passwords to those in the environment.
"""

import os
import sys
from typing import Any

import requests

SERVER = os.environ["MLFLOW_TRACKING_URI"]
ADMIN = ("admin", os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"])
USERS = {
    "airflow": os.environ["MLFLOW_AIRFLOW_PASSWORD"],
    "serve": os.environ["MLFLOW_SERVE_PASSWORD"],
}


def main() -> int:
    """Create the users, or set the passwords of those that exist."""
    for name, password in USERS.items():
        user = {"username": name, "password": password}
        if _call(ADMIN, "GET", "users/get", params={"username": name}).ok:
            _call(ADMIN, "PATCH", "users/update-password", json=user).raise_for_status()
        else:
            _call(ADMIN, "POST", "users/create", json=user).raise_for_status()
        print(f"{name}: account is ready")
    # MLflow answers requests for a model that does not exist with "forbidden".
    model = {"name": os.environ.get("MODEL_NAME") or "loan_default_model"}
    login = ("airflow", USERS["airflow"])
    if not _call(login, "GET", "registered-models/get", params=model).ok:
        _call(login, "POST", "registered-models/create", json=model).raise_for_status()
        print(f"{model['name']}: registered, without a version")
    return 0


def _call(login: tuple[str, str], method: str, path: str, **arguments: Any) -> requests.Response:
    url = f"{SERVER}/api/2.0/mlflow/{path}"
    return requests.request(method, url, auth=login, timeout=30, **arguments)


if __name__ == "__main__":
    sys.exit(main())
