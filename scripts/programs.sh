#!/bin/sh
# Installs Debian's programs that only tests need, unless they are there: Chromium for the
# browser tests; Prometheus, nginx, Caddy and systemd's own checks for those of ops/; curl. Needs
# root, or sudo that does not ask.
set -eu

packages=
need() { # a program, and the packages that bring it
  program=$1
  shift
  command -v "$program" > /dev/null || packages="$packages $*"
}
PATH=$PATH:/usr/sbin
# Without a font, every letter is a box.
need "${CHROMIUM:-/usr/bin/chromium}" chromium fonts-dejavu-core
need promtool prometheus
need nginx nginx-light
need caddy caddy
need systemd-analyze systemd
need curl curl
if [ -z "$packages" ]; then
  exit 0
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Debian starts what serves as soon as it is installed, unless this says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
  as_root chmod +x "$policy"
  trap 'as_root rm -f "$policy"' EXIT
fi

echo "Installing$packages …"
export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -qq
# shellcheck disable=SC2086 # several words
as_root apt-get install -y -qq --no-install-recommends $packages
