#!/usr/bin/env bash
# changed.sh BASE: print code=true if the commits since BASE change more than prose and pictures,
# else code=false. Commands in a page count as code, because tests run them.
set -euo pipefail

# Print the fenced blocks of a page at a commit
blocks() { git show "$1:$2" 2> /dev/null | awk '/^ *```/ {fenced = !fenced} fenced'; }

# Without a base, such as at a branch's first push, everything counts as changed
git rev-parse --quiet --verify "$1^{commit}" > /dev/null || { echo code=true; exit; }
while read -r file; do
  case $file in
    *.md) [[ $(blocks "$1" "$file") == "$(blocks HEAD "$file")" ]] && continue ;;
    docs/* | LICENSE) continue ;;
  esac
  echo code=true
  exit
done < <(git diff --name-only "$1" HEAD)
echo code=false
