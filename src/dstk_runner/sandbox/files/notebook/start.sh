#!/bin/bash
# Run what the container is asked to run, as the user it runs as.
set -e
if [ $# -eq 0 ]; then exec bash; fi
umask "${NB_UMASK:-022}"
exec "$@"
