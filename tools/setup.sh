#!/usr/bin/env bash
# Make .venv and install what one purpose needs: `tools/setup.sh demo|check|test`.
# Says what is about to be installed before it installs anything; does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:?demo, check or test}
python=${PYTHON:-python3}
UV_VERSION=0.13.9

case $purpose in
  demo) groups=(--no-dev) packages=(openssh-client) ;;
  check) groups=(--group dev) packages=(openssh-client git) ;;
  test) groups=(--group dev) packages=(openssh-client git curl libatomic1 libnss3-tools nmap pebble) ;;
  *) echo "setup: there is no purpose '$purpose': demo, check or test" >&2; exit 2 ;;
esac
stamp=.venv/.ready-$purpose
wanted=$(cat uv.lock pyproject.toml tools/setup.sh | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "setup: dstk needs Python 3.11 or later; this is $("$python" --version). Fix: make PYTHON=python3.12 …" >&2
  exit 2
}

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ! -x .venv/bin/python ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
  missing+=("python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv")
fi
if [ "$purpose" = test ] && ! command -v chromium >/dev/null && ! grep -q '^ID=ubuntu' /etc/os-release; then
  missing+=(chromium)
fi

echo "setup: will install, for '$purpose':"
echo "  in .venv: uv $UV_VERSION, then what uv.lock names (${groups[*]})"
if [ ${#missing[@]} -gt 0 ]; then echo "  with apt: ${missing[*]}"; fi
if [ "$purpose" != check ]; then
  echo "  and the sandbox, when it starts, says itself what it needs (Docker, mmdebstrap, a registry)"
fi

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "setup: apt needs root. Fix: run this as root, or: sudo apt-get install ${missing[*]}" >&2
    exit 2
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/uv --version 2>/dev/null | grep -qF "uv $UV_VERSION" || .venv/bin/pip install --quiet "uv==$UV_VERSION"
# a machine whose TLS is signed by a CA of its own says so in SSL_CERT_FILE; uv reads it
UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --quiet --frozen --inexact --python .venv/bin/python "${groups[@]}"
if [ "$purpose" = test ] && ! command -v chromium >/dev/null; then
  # Ubuntu's chromium package is a snap, which root cannot run headless: take playwright's own
  .venv/bin/playwright install --with-deps chromium
fi
echo "$wanted" >"$stamp"
