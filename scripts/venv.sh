#!/bin/sh
# Makes .venv with a Python that is new enough, unless there is one that works.
# Says what to install where something is missing.
set -eu
unset CDPATH
cd "$(dirname "$0")/.."

venv=.venv

# What an interrupted installation left cannot be told from what is whole.
if [ ! -e "$venv/.installing" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  exit 0
fi

supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'
found=
without_venv=
seen=
# The one that .python-version names, then what every test ran on, then what has wheels.
IFS='
'
for candidate in $(scripts/pythons.sh ${PYTHON:+"$PYTHON"} \
  python3.13 python3.12 python3.11 python3.14 python3); do
  seen=${seen:-$("$candidate" --version 2>/dev/null || :)}
  "$candidate" -c "$supported" >/dev/null 2>&1 || continue
  if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    found=$candidate
    break
  fi
  without_venv=${without_venv:-$candidate}
done
unset IFS

if [ -z "$found" ] && [ -n "$without_venv" ]; then
  version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  echo "Python $version is here, but without its venv module. Install that, then run make" >&2
  echo "again. On Debian and Ubuntu: apt install python$version-venv" >&2
  exit 1
fi
if [ -z "$found" ]; then
  echo "Python 3.11 to 3.14 is needed; found: ${seen:-no Python 3}. Install one, from your" >&2
  echo "system's packages or from https://www.python.org/downloads/, then run make again." >&2
  exit 1
fi

echo "Making $venv with $("$found" --version) …"
rm -rf "$venv"
"$found" -m venv "$venv"
