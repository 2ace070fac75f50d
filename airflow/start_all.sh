#!/usr/bin/env bash
# Start the platform with Docker Compose and wait until every service is healthy. On first use, .env
# is created from .env.example with generated passwords and keys, readable only by you.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SECRETS=(POSTGRES_PASSWORD AIRFLOW_DB_PASSWORD MLFLOW_DB_PASSWORD AIRFLOW_ADMIN_PASSWORD
  AIRFLOW_FERNET_KEY AIRFLOW_API_SECRET_KEY AIRFLOW_JWT_SECRET MLFLOW_ADMIN_PASSWORD
  MLFLOW_SECRET_KEY MLFLOW_AIRFLOW_PASSWORD MLFLOW_SERVE_PASSWORD MONITORING_SECRET)
# Secrets that existing databases were created with, or cannot be read without.
DATABASE_SECRETS=(POSTGRES_PASSWORD AIRFLOW_DB_PASSWORD MLFLOW_DB_PASSWORD AIRFLOW_FERNET_KEY MLFLOW_ADMIN_PASSWORD)

fail() { printf 'error: %s\n' "$*" >&2; exit 2; }

generate() {
  case $1 in
    AIRFLOW_FERNET_KEY) head -c 32 /dev/urandom | base64 | tr '+/' '-_' ;;
    *) head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' ;;
  esac
}

# Add the secrets that .env lacks; keep those that it has.
write_secrets() {
  local name
  # The last line may lack its newline; additions would become part of it.
  [[ -z $(tail -c 1 .env) ]] || echo >> .env
  for name in "${SECRETS[@]}"; do
    grep -q "^$name=." .env || printf '%s=%s\n' "$name" "$(generate "$name")" >> .env
  done
}

# New secrets would lock everyone out of existing databases.
check_secrets() {
  local project volume name
  project=${COMPOSE_PROJECT_NAME:-$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' .env | tail -n 1)}
  volume=${project:-loan-default}_postgres-data
  docker volume inspect "$volume" > /dev/null 2>&1 || return 0
  for name in "${DATABASE_SECRETS[@]}"; do
    grep -q "^$name=." .env && continue
    fail "the volume $volume holds data created with another .env ($name is missing): restore that .env, or delete the data with make clean"
  done
}

# Use a key in the default place without a setting.
find_key() {
  local key=keys/gcs-service-account.json
  [[ ! -e $key ]] || grep -q '^GCS_KEY_FILE=.' .env || printf 'GCS_KEY_FILE=%s\n' "${key#keys/}" >> .env
  key=keys/$(sed -n 's/^GCS_KEY_FILE=//p' .env | tail -n 1)
  [[ $key != keys/ ]] || return 0
  [[ -e $key ]] || fail "GCS_KEY_FILE in .env names ${key#keys/}, which is not in keys/"
  [[ -n $(find "$key" -perm -o=r) && -n $(find keys -maxdepth 0 -perm -o=x) ]] \
    || fail "the containers' user cannot read $key: chmod o+x keys && chmod o+r $key"
}

docker info > /dev/null 2>&1 || fail "Docker is not running, or you have no permission to use it: start it, then run make start again"
docker compose version > /dev/null 2>&1 || fail "Docker Compose is missing: install the docker-compose-plugin"

umask 077
[[ -e .env ]] || cp .env.example .env
chmod 600 .env
check_secrets
write_secrets
umask 022
mkdir -p data/raw keys
find_key

printf 'Building the images: minutes the first time, seconds later.\n'
# Every model version records the commit that trained it.
commit=$(git rev-parse HEAD 2> /dev/null) || commit=unknown
docker compose build --quiet --build-arg GIT_COMMIT="$commit"
printf 'Starting: about a minute and a half.\n'
docker compose up --detach --wait --wait-timeout 300 || {
  printf '\nSome services did not start. Diagnosis:\n' >&2
  bash airflow/troubleshoot.sh >&2 || true
  exit 1
}

port() { docker compose port "$1" "$2" | sed 's/^0\.0\.0\.0/localhost/; s/^127\.0\.0\.1/localhost/'; }
cat <<TEXT

Airflow     http://$(port airflow-apiserver 8080)   user admin, password: grep AIRFLOW_ADMIN_PASSWORD .env
MLflow      http://$(port mlflow 5000)   user admin, password: grep MLFLOW_ADMIN_PASSWORD .env
Scoring     http://$(port serve 5001)/docs
Monitoring  http://$(port monitoring 8000)

Put your loans into data/raw/ (TRAIN_DATA_PATH in .env names the file), unpause the DAGs in Airflow and trigger train_model_with_mlflow.
TEXT
