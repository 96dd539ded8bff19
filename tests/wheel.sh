#!/usr/bin/env bash
# Builds the wheel, installs it alone into a fresh environment, and runs the README's first example
# and the command jfool from another folder.
# Usage: bash tests/wheel.sh, from the repository root after `make .venv/test`.
set -euo pipefail
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

.venv/bin/python -m build --quiet --wheel --outdir "$work/dist" "$root"
.venv/bin/python - "$work"/dist/*.whl <<'PY'
import sys, zipfile

tops = {name.split("/")[0] for name in zipfile.ZipFile(sys.argv[1]).namelist()}
extra = {top for top in tops if top != "jfool" and not top.endswith(".dist-info")}
if extra:
    sys.exit(f"the wheel should hold jfool alone, but has {sorted(extra)}")
PY

.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/dist/*.whl
# The first block of Python in the README.
awk '/^```python/{take=1; next} /^```/{if (take) exit} take' README.md > "$work/example.py"
cd "$work"
"$work/venv/bin/python" - "$work/venv" <<'PY'
import sys, jfool

if not jfool.__file__.startswith(sys.argv[1]):
    sys.exit(f"jfool was imported from {jfool.__file__}, not from the wheel")
PY
"$work/venv/bin/python" example.py | tee printed
grep -q "^before: 7, after: [0-689]$" printed
"$work/venv/bin/jfool" --version
"$work/venv/bin/jfool" attacks > attacks
grep -q "^jfool.OnePixel (Su et al. 2019)$" attacks
"$work/venv/bin/jfool" example
echo "wheel: installed alone, README example and jfool ran"
