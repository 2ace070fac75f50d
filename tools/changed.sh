#!/usr/bin/env bash
# changed.sh BASE: prints code=true where the commits since BASE change more than prose and pictures,
# else code=false. The commands of a page are code: tests run them as they stand there.
set -euo pipefail

# The fenced blocks of a page at a commit
blocks() { git show "$1:$2" 2> /dev/null | awk '/^ *```/ {fenced = !fenced} fenced'; }

# Without its base, as at a branch's first push, nothing is known to be unchanged
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
