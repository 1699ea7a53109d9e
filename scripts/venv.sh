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

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
found=
without_venv=
for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
  "$candidate" -c "$new_enough" >/dev/null 2>&1 || continue
  if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    found=$candidate
    break
  fi
  without_venv=${without_venv:-$candidate}
done

if [ -z "$found" ] && [ -n "$without_venv" ]; then
  version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  echo "Python $version is here, but without its venv module. Install that, then run make" >&2
  echo "again. On Debian and Ubuntu: apt install python$version-venv" >&2
  exit 1
fi
if [ -z "$found" ]; then
  seen=$(python3 --version 2>/dev/null) || seen='no Python 3'
  echo "Python 3.11 or newer is needed; found: $seen. Install one, from your system's" >&2
  echo "packages or from https://www.python.org/downloads/, then run make again." >&2
  exit 1
fi

echo "Making $venv with $("$found" --version) …"
rm -rf "$venv"
"$found" -m venv "$venv"
