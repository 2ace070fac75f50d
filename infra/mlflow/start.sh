#!/bin/bash
# Start MLflow's server with logins; it is configured by the environment.
set -euo pipefail
: "${MLFLOW_DB_PASSWORD:?}" "${MLFLOW_AUTH_ADMIN_PASSWORD:?}" "${MLFLOW_FLASK_SERVER_SECRET_KEY:?}"
: "${MLFLOW_ARTIFACTS_DESTINATION:?}" "${MLFLOW_ALLOWED_HOSTS:?}"

database="postgresql+psycopg2://mlflow:${MLFLOW_DB_PASSWORD}@postgres:5432"
export MLFLOW_AUTH_CONFIG_PATH=/tmp/basic_auth.ini
# MLflow's background jobs evaluate language models, in eight processes of 220 MB.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
cat > "$MLFLOW_AUTH_CONFIG_PATH" <<INI
[mlflow]
default_permission = READ
database_uri = ${database}/mlflow_auth
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 30
INI
exec mlflow server --host 0.0.0.0 --port 5000 --workers 2 --app-name basic-auth \
  --backend-store-uri "${database}/mlflow" \
  --artifacts-destination "$MLFLOW_ARTIFACTS_DESTINATION" \
  --allowed-hosts "$MLFLOW_ALLOWED_HOSTS"
