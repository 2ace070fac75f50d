#!/usr/bin/env bash
# Stop the platform and keep its data. With --clean, delete the data too, after confirmation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Compose requires every secret even to stop; these allow it without .env.
for name in $(grep -oE '[A-Z_]+:[?]' docker-compose.yaml | tr -d ':?' | sort -u); do
  export "$name=unused"
done

if [[ ${1:-} == --clean ]]; then
  printf 'This deletes every run, model, prediction and report of the platform. Type yes to continue: '
  read -r answer || answer=
  [[ $answer == yes ]] || { echo 'Nothing was deleted.'; exit 1; }
  docker compose --profile '*' down --volumes --remove-orphans
  echo 'Deleted. .env and its secrets are kept.'
else
  docker compose --profile '*' down --remove-orphans
  echo 'Stopped. The data are kept; make start brings everything back.'
fi
