#!/bin/sh
# Pins every package, with the hashes of all its files: requirements*.txt from *.in.
# Needs Python 3.11, the oldest that is supported. Arguments go to pip-compile, such as
# --upgrade, or --upgrade-package django. Afterwards, `make check` says whether
# docs/dependencies.md has to be written again.
set -eu
unset CDPATH
cd "$(dirname "$0")/.."

# An index or a wheel folder of this machine must not decide what others install.
export PIP_CONFIG_FILE=/dev/null
unset PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_CONSTRAINT

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
scripts/pythons.sh python3.11 | while read -r python; do
  ! "$python" -m venv "$tools" 2>/dev/null || break
done
if [ ! -x "$tools/bin/python" ]; then
  echo "Python 3.11, the oldest that is supported, is needed, with its venv module." >&2
  exit 1
fi
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check pip-tools

# A package that another one asks for with an extra keeps it (pip takes the last of two
# such flags): without it, pip looks at newer versions than the pinned one, and stops.
compile() {
  source=$1
  shift
  "$tools/bin/pip-compile" --quiet --generate-hashes --strip-extras --allow-unsafe \
    --no-header --no-emit-options --no-emit-index-url --no-emit-find-links \
    --no-emit-trusted-host --output-file "${source%.in}.txt" "$@" "$source"
}

compile requirements.in "$@"
compile requirements-local.in --constraint requirements.txt "$@"
compile requirements-dev.in --constraint requirements-local.txt --no-strip-extras "$@"
compile requirements-audit.in "$@"
compile requirements-docs.in "$@"
