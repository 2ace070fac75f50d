"""Give MLflow the accounts of the platform's services, with the passwords from the environment.

Run once the server is up; running it again sets the passwords anew.
"""

import os
import sys

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
        known = _call("GET", "get", params={"username": name}).ok
        answer = _call("PATCH", "update-password", json=user) if known else None
        answer = answer or _call("POST", "create", json=user)
        print(f"{name}: {'password set' if known else 'created'}, {answer.status_code}")
        answer.raise_for_status()
    return 0


def _call(method: str, what: str, **arguments: object) -> requests.Response:
    url = f"{SERVER}/api/2.0/mlflow/users/{what}"
    return requests.request(method, url, auth=ADMIN, timeout=30, **arguments)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
