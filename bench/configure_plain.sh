#!/bin/bash
# What `playbooks/configure.yml` makes of a host that has Docker and the image, as one script: bench/configure.py sends it
# through ssh. Arguments: student, port, image, deployment, login user. Prints the password.
set -euo pipefail
student=$1 port=$2 image=$3 deployment=$4 user=$5
settings=/etc/dstk/$student home=/srv/dstk/$student/home

id -nG "$user" | grep -qw docker || usermod -aG docker "$user"
if [ ! -f /etc/docker/daemon.json ]; then
  mkdir -p /etc/docker
  cat >/etc/docker/daemon.json <<'JSON'
{"live-restore": true, "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}
JSON
  systemctl restart docker
fi

install -d -m 0700 /etc/dstk "$settings"
install -d -m 0500 -o 1000 -g 100 "$settings/jupyter"
install -d -m 0755 "$(dirname "$home")"
install -d -m 0700 -o 1000 -g 100 "$home"
cat >"$settings/jupyter/jupyter_server_config.py" <<'PYTHON'
c = get_config()
c.IdentityProvider.token = ""
c.PasswordIdentityProvider.password_required = True
c.PasswordIdentityProvider.allow_password_change = False
c.ServerApp.allow_unauthenticated_access = False
c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
PYTHON
umask 077
[ -s "$settings/password" ] || tr -dc 'A-Za-z0-9' </dev/urandom | head -c 24 >"$settings/password" || true
docker run --rm --interactive --network none --user 1000:100 --entrypoint python --no-healthcheck "$image" -c '
import json, sys
from jupyter_server.auth import passwd
json.dump({"PasswordIdentityProvider": {"hashed_password": passwd(sys.stdin.read())}}, sys.stdout)
' <"$settings/password" >"$settings/jupyter/jupyter_server_config.json"
chown 1000:100 "$settings"/jupyter/*

docker run --detach --name "dstk-$student" --hostname "dstk-$student" --restart unless-stopped --user 1000:100 \
  --cap-drop ALL --security-opt no-new-privileges --pids-limit 2048 --publish "$port:8888" \
  --mount "type=bind,source=$home,target=/home/jovyan" \
  --mount "type=bind,source=$settings/jupyter,target=/etc/dstk/jupyter,readonly" \
  --env JUPYTER_CONFIG_PATH=/etc/dstk/jupyter --label "dstk.deployment=$deployment" --label "dstk.student=$student" \
  --health-interval 30s --health-timeout 10s \
  --health-cmd "python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:8888/api', timeout=8)\"" "$image" >/dev/null

until curl --silent --fail --max-time 5 --output /dev/null "http://127.0.0.1:$port/api"; do sleep 0.5; done
cat "$settings/password"
