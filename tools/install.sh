#!/usr/bin/env bash
# Installs the locked, hashed packages and this checkout into an environment, and shows for how long
# it has been at it: install.sh VENV PYTHON UV_VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 python=$2 uv_version=$3 title='Installing the locked packages (once, 1 to 5 minutes)'
seconds_of_silence=${SECONDS_OF_SILENCE:-30}

# On a terminal the time moves; elsewhere a line now and then says that it goes on
clock() {
  while kill -0 $$ 2> /dev/null; do
    if [[ -t 2 ]]; then
      printf '\r%s %d:%02d' "$title" $((SECONDS / 60)) $((SECONDS % 60)) >&2
    elif ((SECONDS > 0 && SECONDS % seconds_of_silence == 0)); then
      echo "  still installing after $SECONDS s" >&2
    fi
    sleep 1
  done
}
ended() {
  kill "$clock" 2> /dev/null || true
  if [[ -t 2 ]]; then echo >&2; fi
}

[[ -t 2 ]] || echo "$title" >&2
clock &
clock=$!
trap ended EXIT
# uv from PATH, else installed into the new environment with pip
test -x "$venv/bin/python" || "$python" -m venv "$venv"
uv=$(command -v uv || true)
if [[ -z $uv ]]; then
  uv=$venv/bin/uv
  test -x "$uv" || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
fi
"$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes -r requirements-dev.txt
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
