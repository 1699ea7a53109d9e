#!/bin/sh
# Installs Debian's Chromium for the browser tests, unless there is one. Needs root, or
# sudo that does not ask.
set -eu

if [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
  exit 0
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

echo "Installing Chromium …"
export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -qq
# Without a font, every letter is a box.
as_root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
