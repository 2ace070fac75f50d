#!/usr/bin/env bash
# Diagnose the platform: report each problem with its remedy. Exit 1 if there is any.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

FOUND=0
MIN_FREE_MB=${MIN_FREE_MB:-2048}
ok() { printf 'ok       %s\n' "$*"; }
bad() { FOUND=1; printf 'PROBLEM  %s\n         What to do: %s\n' "$1" "$2"; }
setting() { [[ -r .env ]] && sed -n "s/^$1=//p" .env | tail -n 1; }
compose() { docker compose "$@" 2> /dev/null; }
# A service's container, running or not.
container() { compose ps --all --quiet "$1" | head -n 1; }
running() { [[ $(docker inspect -f '{{.State.Running}}' "$(container "$1")" 2> /dev/null) == true ]]; }

check_docker() {
  docker info > /dev/null 2>&1 && { ok "Docker is running"; return; }
  bad "Docker is not running, or you have no permission to use it" "start Docker (systemctl start docker), or add yourself to the docker group"
  exit 1
}

check_env() {
  [[ -r .env ]] || { bad ".env is missing" "make start creates it"; exit 1; }
  local name missing=()
  for name in $(grep -oE '[A-Z_]+:[?]' docker-compose.yaml | tr -d ':?' | sort -u); do
    [[ -n $(setting "$name") ]] || missing+=("$name")
  done
  ((${#missing[@]})) || { ok ".env has every secret"; return; }
  bad ".env lacks ${missing[*]}" "make start generates missing secrets; for an existing database, restore its old password"
}

check_disk() {
  local free
  free=$(df -Pm "$(docker info -f '{{.DockerRootDir}}')" | awk 'NR == 2 {print $4}')
  ((free >= MIN_FREE_MB)) && { ok "disk: ${free} MB free for Docker"; return; }
  bad "Docker's disk is nearly full: ${free} MB free" "docker system df shows what uses the space; docker image prune frees some"
}

check_port() {
  local service=$1 name=$2 default=$3 port
  port=$(setting "$name"); port=${port:-$default}
  running "$service" && return
  (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || return 0
  bad "port $port is in use by another program, so $service cannot start" "stop that program, or set $name in .env to a free port"
}

check_service() {
  local id state health
  id=$(container "$1")
  [[ -n $id ]] || { bad "$1 does not exist" "make start"; return; }
  read -r state health < <(docker inspect -f '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' "$id")
  if [[ $state == running && $health != unhealthy ]]; then ok "$1: $state${health:+, $health}"; return; fi
  if [[ $state == exited && $(docker inspect -f '{{.State.ExitCode}}' "$id") == 0 && $1 == *-init ]]; then ok "$1: done"; return; fi
  bad "$1 is $state, health $health; its last lines:
$(docker logs --tail 8 "$id" 2>&1 | sed 's/^/           /')" "read the lines above; make start tries again"
}

check_airflow() {
  running airflow-scheduler || return
  if compose exec -T airflow-scheduler airflow db check-migrations --migration-wait-timeout 0 > /dev/null; then
    ok "Airflow's database is migrated"
  else
    bad "Airflow's database needs migrations" "docker compose run --rm airflow-init"
  fi
  local errors
  # Airflow's command line prints warnings to stdout before its output.
  errors=$(compose exec -T airflow-scheduler airflow dags list-import-errors -o json | tail -n 1 | compose exec -T airflow-scheduler python -c "
import json, sys
for found in json.load(sys.stdin): print(found['filepath'] + ': ' + found['error'].strip().splitlines()[-1])")
  [[ -z $errors ]] && { ok "every DAG can be imported"; return; }
  bad "a DAG cannot be imported: $errors" "correct the file named above; the DAG processor reloads it"
}

# The newest registered version; empty if there is none.
newest_version() {
  compose exec -T mlflow python -c "
import base64, json, os, urllib.parse, urllib.request
name = '$(setting MODEL_NAME)' or 'loan_default_model'
asked = urllib.parse.urlencode({'filter': f\"name='{name}'\", 'max_results': 1})
login = base64.b64encode(('admin:' + os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']).encode()).decode()
request = urllib.request.Request('http://localhost:5000/api/2.0/mlflow/model-versions/search?' + asked)
request.add_header('Authorization', 'Basic ' + login)
print(*(found['version'] for found in json.load(urllib.request.urlopen(request)).get('model_versions', [])))"
}

check_alias() {
  local alias version
  alias=$(setting SERVE_ALIAS)
  version=$(newest_version)
  if [[ -n $version ]]; then
    bad "no model is served: no version has the alias ${alias:-staging}, the newest is $version" "assign the alias to a version on the model's page in MLflow, or train again"
  else
    bad "no model is served: there is none yet" "trigger train_model_with_mlflow in Airflow"
  fi
}

check_model() {
  running serve || return
  local state
  state=$(compose exec -T serve python -c "
import urllib.request as r, urllib.error as e
try: print(r.urlopen('http://localhost:5001/ready').read().decode())
except e.HTTPError as found: print(found.read().decode())")
  case $state in
    *'"ready":true'*) ok "a model is served: $(grep -oE '"model_version":"[0-9]+"' <<< "$state")" ;;
    *'has no version with the alias'*) check_alias ;;
    *) bad "no model is served: $(grep -oE '"message":"[^"]*"' <<< "$state")" "read the message; docker compose logs serve has the details" ;;
  esac
}

check_bucket() {
  local place
  place=$(setting GCS_BUCKET)
  place=${place:+gs://$place}
  place=${place:-$(setting MLFLOW_ARTIFACTS_DESTINATION)}
  [[ $place == gs://* ]] || { ok "artifacts are stored in a volume"; return; }
  running airflow-scheduler || return
  local output
  output=$(compose exec -T --workdir /opt/airflow/src airflow-scheduler python -c "
from loan_default import storage
storage.check_target('$place')
storage.exists('$place/.reachable')" 2>&1) && { ok "the bucket $place can be reached"; return; }
  bad "the bucket $place cannot be reached: $(tail -n 1 <<< "$output")" "check its name, and the key in keys/"
}

check_docker
check_env
check_disk
check_port airflow-apiserver AIRFLOW_PORT 8080
check_port mlflow MLFLOW_PORT 5000
check_port serve SERVE_PORT 5001
check_port monitoring MONITORING_PORT 8000
for service in postgres airflow-init airflow-apiserver airflow-scheduler airflow-dag-processor \
  airflow-triggerer mlflow mlflow-init serve monitoring; do check_service "$service"; done
check_airflow
check_model
check_bucket
exit $FOUND
