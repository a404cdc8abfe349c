#!/bin/bash
# Run what the container is asked to run, as the user it runs as.
set -e
if [ $# -eq 0 ]; then exec bash; fi
umask "${NB_UMASK:-022}"
if [ "$(id -u)" = 0 ]; then
  if [ "${GRANT_SUDO:-}" = yes ] || [ "${GRANT_SUDO:-}" = 1 ]; then
    echo "$NB_USER ALL=(ALL) NOPASSWD:ALL" >/etc/sudoers.d/added-by-start-script
  fi
  exec sudo --preserve-env --set-home --user "$NB_USER" LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}" PATH="$PATH" "$@"
fi
exec "$@"
