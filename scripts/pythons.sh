#!/bin/sh
# Prints the paths of the interpreters that have one of the names given, name by name: those
# on PATH, then those that pyenv keeps. pyenv's own commands start nothing but the version
# that .python-version names, and fail where that is missing, whatever else is installed.
set -euf

pyenv=${PYENV_ROOT:-${HOME:-}/.pyenv}

for name in "$@"; do
  case $name in
    */*)
      printf '%s\n' "$name"
      continue
      ;;
  esac
  IFS=:
  for folder in ${PATH:-}; do
    [ ! -x "$folder/$name" ] || printf '%s\n' "$folder/$name"
  done
  unset IFS
  set +f
  for program in "$pyenv"/versions/*/bin/"$name"; do
    [ ! -x "$program" ] || printf '%s\n' "$program"
  done
  set -f
done
