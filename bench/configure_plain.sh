#!/bin/bash
# What `playbooks/configure.yml` makes of a host that has the packages and the image, as one script: bench/configure.py
# sends it through ssh. Arguments: student, port, image, deployment, login user, address, size of the home in GB. Files
# that are the same on every host come from an archive, as from an administrator's repository. Prints the password.
set -euo pipefail
student=$1 port=$2 image=$3 deployment=$4 user=$5 address=$6 size=$7
settings=/etc/dstk/$student folder=/srv/dstk/$student
memory=$(($(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo) - 256))

tar --extract --file /var/lib/bench.tar --directory / --same-permissions
useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin dstk-remap
id -nG "$user" | grep -qw docker || usermod -aG docker "$user"
systemctl daemon-reload
systemctl enable --quiet dstk-firewall caddy fail2ban
systemctl start dstk-firewall
systemctl restart docker
systemctl reload ssh
docker network create --opt com.docker.network.bridge.name=dstk0 --opt com.docker.network.bridge.enable_icc=false dstk >/dev/null

umask 077
install -d -m 0755 /etc/dstk /srv/dstk "$folder" /var/log/caddy
install -d -m 0700 "$settings"
install -d -m 0500 -o 701000 -g 700100 "$settings/jupyter"
truncate --size "$((size * 1000 ** 3))" "$folder/home.img"
mkfs.ext4 -q -F -m 0 -E lazy_itable_init=1,lazy_journal_init=1 "$folder/home.img"
mkdir -m 0700 "$folder/home"
echo "$folder/home.img $folder/home ext4 loop,nosuid,nodev,nofail,x-systemd.before=docker.service 0 0" >>/etc/fstab
mount "$folder/home"
rmdir "$folder/home/lost+found"
chown 701000:700100 "$folder/home"
chmod 0700 "$folder/home"

install -d -m 0750 -g caddy /etc/dstk/tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=dstk notebooks" \
  -addext "subjectAltName=IP:$address" -keyout /etc/dstk/tls/key.pem -out /etc/dstk/tls/cert.pem 2>/dev/null
chgrp caddy /etc/dstk/tls/*.pem
chmod 0640 /etc/dstk/tls/*.pem
sed -i "s/@address@/$address/g; s/@student@/$student/g" /etc/caddy/Caddyfile
chmod 0644 /etc/caddy/Caddyfile
chown caddy:caddy /var/log/caddy
install -m 0640 -o caddy -g caddy /dev/null /var/log/caddy/access.log
systemctl restart caddy fail2ban

[ -s "$settings/password" ] || tr -dc 'A-Za-z0-9' </dev/urandom | head -c 24 >"$settings/password" || true
head -c 1024 /dev/urandom >"$settings/jupyter/cookie_secret"
docker run --rm --interactive --network none --read-only --cap-drop ALL --security-opt no-new-privileges --user 1000:100 \
  --env HOME=/run/scratch --tmpfs /run/scratch --no-healthcheck --pull never --entrypoint python "$image" -c '
import json, sys
from jupyter_server.auth import passwd
json.dump({"PasswordIdentityProvider": {"hashed_password": passwd(sys.stdin.read())}}, sys.stdout)
' <"$settings/password" >"$settings/jupyter/jupyter_server_config.json"
cp /var/lib/bench.jupyter.py "$settings/jupyter/jupyter_server_config.py"
chown 701000:700100 "$settings"/jupyter/*
chmod 0400 "$settings"/jupyter/*

docker run --detach --name "dstk-$student" --hostname "dstk-$student" --pull never --restart unless-stopped --user 1000:100 \
  --cap-drop ALL --security-opt no-new-privileges --read-only --pids-limit 1024 \
  --memory "${memory}m" --memory-swap "$((2 * memory))m" \
  --tmpfs /tmp:rw,exec,nosuid,nodev,size=512m,mode=1777 --tmpfs /var/tmp:rw,exec,nosuid,nodev,size=512m,mode=1777 \
  --network dstk --publish "127.0.0.1:$port:8888" \
  --mount "type=bind,source=$folder/home,target=/home/jovyan" \
  --mount "type=bind,source=$settings/jupyter,target=/etc/dstk/jupyter,readonly" \
  --env JUPYTER_CONFIG_PATH=/etc/dstk/jupyter --env "DSTK_STUDENT=$student" \
  --label "dstk.deployment=$deployment" --label "dstk.student=$student" \
  --health-interval 30s --health-timeout 10s \
  --health-cmd "python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:8888/$student/api', timeout=8)\"" \
  "$image" >/dev/null

until curl --silent --fail --max-time 5 --cacert /etc/dstk/tls/cert.pem --output /dev/null "https://$address/$student/api"; do
  sleep 0.5
done
cat "$settings/password"
