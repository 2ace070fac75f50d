#!/usr/bin/env bash
# Stop the platform; its data stay. With --clean remove the data too, after asking.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Compose wants every secret even to stop; without .env nothing could be stopped or removed.
for name in $(grep -oE '[A-Z_]+:[?]' docker-compose.yaml | tr -d ':?' | sort -u); do
  export "$name=unused"
done

if [[ ${1:-} == --clean ]]; then
  printf 'This removes every run, model, prediction and report of the platform. Type yes to go on: '
  read -r answer || answer=
  [[ $answer == yes ]] || { echo 'Nothing was removed.'; exit 1; }
  docker compose --profile '*' down --volumes --remove-orphans
  echo 'Removed. .env and its secrets are still there.'
else
  docker compose --profile '*' down --remove-orphans
  echo 'Stopped. The data are kept; make start brings everything back.'
fi
