#!/usr/bin/env python3
"""Configure real hosts of the sandbox, and compare with one shell script a host through parallel ssh.

`bench/configure.py [--hosts 10] [--results bench/RESULTS.md]`. The packages and the image are on the hosts before
anything is timed. What counts are the ratios, for both ways are measured in one run on one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from results import ensure_section

from dstk_runner.sandbox.engine import ensure_docker
from dstk_runner.sandbox.folder import ensure_folder
from dstk_runner.sandbox.host import HostSpec
from dstk_runner.sandbox.hosts import HostDriver
from dstk_runner.sandbox.registry import ensure_registry

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
USER = "ubuntu"
DEPLOYMENT = "bench"
BOOT_SECONDS = 180
HOME_GB = 22
"""What configure.yml gives to a home on a disk of 30 GB."""

#: The packages that both ways find installed.
PACKAGES = "docker.io caddy openssl nftables fail2ban unattended-upgrades python3-requests"
PREPARE = f"""
set -euo pipefail
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq {PACKAGES} >/dev/null
"""
#: Keeps, of what a first run of the playbook wrote, the files that are the same on every host.
KEEP = """
set -euo pipefail
cp "/etc/dstk/$1/jupyter/jupyter_server_config.py" /var/lib/bench.jupyter.py
sed -i "s/$2/@address@/g; s/$1/@student@/g" /etc/caddy/Caddyfile
cd /
tar --create --file /var/lib/bench.tar etc/docker/daemon.json etc/subuid etc/subgid \
  etc/dstk/firewall.nft etc/systemd/system/dstk-firewall.service etc/ssh/sshd_config.d/05-dstk.conf \
  etc/fail2ban/filter.d/dstk-notebook.conf etc/fail2ban/jail.d/dstk.conf etc/apt/apt.conf.d/60dstk-upgrades \
  etc/caddy/Caddyfile
"""
#: Takes away what configuring made; packages and the image stay.
RESET = """
set -euo pipefail
docker ps --all --quiet --filter label=dstk.student | xargs --no-run-if-empty docker rm --force >/dev/null
docker network rm dstk >/dev/null
umount /srv/dstk/*/home
sed -i '/srv.dstk/d' /etc/fstab
# Docker stops with the firewall, and starts again below
systemctl stop caddy fail2ban dstk-firewall
systemctl disable --quiet dstk-firewall caddy fail2ban
nft delete table inet dstk
rm -rf /etc/dstk /srv/dstk /var/log/caddy /etc/docker/daemon.json /etc/systemd/system/dstk-firewall.service \
  /etc/ssh/sshd_config.d/05-dstk.conf /etc/fail2ban/*.d/dstk*.conf /etc/apt/apt.conf.d/60dstk-upgrades \
  /etc/caddy/Caddyfile
sed -i '/^dstk-remap:/d' /etc/subuid /etc/subgid
userdel dstk-remap
gpasswd --delete "$1" docker >/dev/null 2>&1 || true
systemctl daemon-reload
systemctl restart docker
# systemd counts restarts, and refuses a fourth within a minute
systemctl reset-failed docker
"""


@dataclass(frozen=True)
class Measure:
    """What a way of configuring took: seconds on the clock, and seconds of the controller's processors."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Fleet:
    """The hosts by name, each with its address, and how they are reached."""

    addresses: dict[str, str]
    folder: Path

    @property
    def key(self) -> Path:
        """The private key."""
        return self.folder / "key"

    @property
    def state(self) -> Path:
        """What dstk keeps of the deployment."""
        return self.folder / "state" / DEPLOYMENT

    @property
    def options(self) -> tuple[str, ...]:
        """How SSH knows the hosts."""
        return "StrictHostKeyChecking=yes", f"UserKnownHostsFile={self.state / 'known_hosts'}"

    def learn_keys(self) -> None:
        """Write down the keys of the hosts, which AWS would tell."""
        self.state.mkdir(parents=True, mode=0o700)
        lines = []
        for name, address in self.addresses.items():
            command = ["ssh-keyscan", "-t", "ed25519", address]
            told = subprocess.run(command, text=True, capture_output=True, check=True).stdout  # noqa: S603
            lines += [f"{name} {line.partition(' ')[2]}\n" for line in told.splitlines()]
        (self.state / "known_hosts").write_text("".join(lines), encoding="utf-8")

    def ssh(self, name: str, script: str, *arguments: str) -> str:
        """Run a script on a host as root and answer what it printed."""
        options = (*self.options, f"HostKeyAlias={name}", "LogLevel=ERROR")
        command = ["ssh", "-i", str(self.key), *(part for option in options for part in ("-o", option))]
        command += [f"{USER}@{self.addresses[name]}", "sudo", "bash", "-s", *arguments]
        done = subprocess.run(command, input=script, text=True, capture_output=True, check=False)  # noqa: S603
        if done.returncode:
            raise SystemExit(f"{name}: the script ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def each(self, work: Callable[[str], object]) -> None:
        """Do something on all hosts at once."""
        with ThreadPoolExecutor(len(self.addresses)) as pool:
            list(pool.map(work, self.addresses))


def measure(work: Callable[[], object]) -> Measure:
    """Do something and answer what it took, with all processes that it started here."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measure(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def boot(driver: HostDriver, fleet_folder: Path, count: int) -> Fleet:
    """Boot hosts, and answer when their sshd does."""
    key = fleet_folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)  # noqa: S603, S607
    public_key = key.with_suffix(".pub").read_text(encoding="utf-8")
    names = [f"bench-{number:02d}" for number in range(1, count + 1)]
    for name in names:
        driver.ensure(HostSpec(name, (public_key,), name))
    deadline = time.monotonic() + BOOT_SECONDS
    while any(driver.state(name) != "running" for name in names):
        if time.monotonic() > deadline:
            sys.exit(f"not all hosts answered within {BOOT_SECONDS} s")
        time.sleep(0.2)
    fleet = Fleet({name: driver.address(name) for name in names}, fleet_folder)
    fleet.learn_keys()
    return fleet


def write_inventory(fleet: Fleet) -> Path:
    """Write the hosts down as the dynamic inventory would tell of them, and answer the folder."""
    folder = fleet.folder / "inventory"
    folder.mkdir()
    (folder / "group_vars").symlink_to(ROOT / "group_vars")
    hosts = {
        name: {"ansible_host": address, "dstk_seats": [{"student": name, "seat": 1, "identity": name}]}
        for name, address in fleet.addresses.items()
    }
    document = {"all": {"children": {"dstk_hosts": {"hosts": hosts}}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    variables: dict[str, Any] = {
        "dstk_class": [{"student": name, "identity": name, "image": ""} for name in fleet.addresses],
        "dstk_config": "",
        "dstk_limit": [],
        "dstk_prune": False,
        "dstk_deployment": DEPLOYMENT,
        "dstk_state_dir": str(fleet.folder / "state"),
        "dstk_tls": "private",
        "ansible_ssh_private_key_file": str(fleet.key),
        "ansible_ssh_common_args": " ".join(
            f"-o {option}" for option in (*fleet.options, "HostKeyAlias={{ inventory_hostname }}")
        ),
    }
    (fleet.folder / "variables.json").write_text(json.dumps(variables), encoding="utf-8")
    return folder


def configure(fleet: Fleet, inventory: Path) -> None:
    """Run the playbook as `dstk up` does."""
    command = [str(BIN / "ansible-playbook"), "-i", str(inventory), str(ROOT / "playbooks" / "configure.yml")]
    command += ["-e", f"@{fleet.folder / 'variables.json'}"]
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(fleet.folder / "cp"),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.stdout[-5000:] + done.stderr[-2000:])


def find_table(hosts: int, plain: Measure, first: Measure, second: Measure) -> str:
    """Answer the table of the results."""
    ways = {
        "one shell script a host, parallel ssh": (plain, ""),
        "`configure.yml`, first run": (first, "at most 4"),
        "`configure.yml`, nothing to change": (second, ""),
    }
    rows = [
        f"{hosts} hosts that have the packages and the image; "
        f"{os.cpu_count()} processors for the hosts and the controller.",
        "",
        "| way | wall, s | controller CPU, s | wall / shell | goal |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {taken.wall:.1f} | {taken.cpu:.1f} | {taken.wall / plain.wall:.2f} | {goal} |"
            for name, (taken, goal) in ways.items()
        ),
        "",
        f"The second run takes {second.wall / first.wall:.2f} of the first; the goal is at most 0.25.",
    ]
    return "\n".join(rows)


def say(text: str) -> None:
    """Tell what is going on."""
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """Boot, prepare, measure, tell, and remove."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "RESULTS.md")
    wanted = parser.parse_args()
    image = yaml.safe_load((ROOT / "group_vars" / "all.yml").read_text(encoding="utf-8"))["dstk_notebook_image"]
    script = (ROOT / "bench" / "configure_plain.sh").read_text(encoding="utf-8")
    ensure_docker(say)
    with tempfile.TemporaryDirectory(prefix="dstk-bench-") as name:
        folder = Path(name)
        with closing(HostDriver(ensure_folder(folder / "machines"), on_progress=say)) as driver:
            try:
                ensure_registry([image], say)
                fleet = boot(driver, folder, wanted.hosts)
                say("The packages are brought to the hosts")
                fleet.each(lambda host: fleet.ssh(host, PREPARE))
                inventory = write_inventory(fleet)

                def plain() -> None:
                    fleet.each(
                        lambda host: fleet.ssh(
                            host,
                            *(script, host, "8888", image, DEPLOYMENT, USER, fleet.addresses[host], str(HOME_GB)),
                        )
                    )

                def reset() -> None:
                    fleet.each(lambda host: fleet.ssh(host, RESET, USER))

                # once untimed: the image comes, and both ways find it in memory
                say("The image is brought to the hosts")
                configure(fleet, inventory)
                fleet.each(lambda host: fleet.ssh(host, KEEP, host, fleet.addresses[host]))
                reset()
                say("The shell scripts run")
                by_shell = measure(plain)
                reset()
                say("The playbook runs")
                first = measure(lambda: configure(fleet, inventory))
                second = measure(lambda: configure(fleet, inventory))
            finally:
                driver.remove_all()
    table = find_table(wanted.hosts, by_shell, first, second)
    sys.stdout.write(f"{table}\n")
    ensure_section(wanted.results, "configure", table)


if __name__ == "__main__":
    main()
