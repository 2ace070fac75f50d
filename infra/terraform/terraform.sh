#!/usr/bin/env bash
# Run Terraform in this folder: terraform.sh init|plan|apply|destroy|validate|test|fmt ...
# Uses the installed terraform, else the container of the Compose profile "terraform".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() { printf 'error: %s\n' "$*" >&2; exit 2; }

(($#)) || fail "name a command: terraform.sh init|plan|apply|destroy|validate|test|fmt"
case $1 in
  plan | apply | destroy)
    [[ -e $here/terraform.tfvars ]] || fail "infra/terraform/terraform.tfvars is missing: copy terraform.tfvars.example and name your project"
    ;;&
  plan | apply | destroy | validate | test)
    [[ -d $here/.terraform ]] || fail "Terraform is not set up yet: make terraform-init"
    ;;
esac

if command -v terraform > /dev/null; then
  exec terraform -chdir="$here" "$@"
elif command -v docker > /dev/null; then
  cd "$here/../.."
  # Compose requires every secret of the stack, although this container gets none of them.
  for name in $(grep -oE '[A-Z_]+:[?]' docker-compose.yaml | tr -d ':?' | sort -u); do
    export "$name=unused"
  done
  exec docker compose --profile terraform run --rm --user "$(id -u):$(id -g)" terraform "$@"
fi
fail "neither terraform nor docker is installed: install one of them"
