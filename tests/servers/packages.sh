#!/usr/bin/env bash
# Installs the Debian packages that the tests need and that are missing: nginx, apache2, a JDK and Maven, openssl, curl,
# logrotate, libfaketime, rsyslog with TLS, Prometheus.
set -euo pipefail

need=()
want() { # want COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || need+=("$2")
}
want nginx nginx-light
want apache2 apache2-bin
want javac default-jdk-headless
want mvn maven
want openssl openssl
want setpriv util-linux
want logrotate logrotate
want rotatelogs apache2-utils
want rsyslogd rsyslog
want logger bsdutils
want prometheus prometheus
compgen -G '/usr/lib/*/rsyslog/lmnsd_gtls.so' >/dev/null || need+=(rsyslog-gnutls)
compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || need+=(libfaketime)
[ ${#need[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ]; then
  echo "the tests need packages that are missing; as root: apt-get install ${need[*]}" >&2
  exit 1
fi
echo "installing for the tests: ${need[*]}"
# Daemons are started by the tests, on ports of their own, and by nobody else.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${need[@]}"
