"""What a student who means harm can do from inside a notebook: nothing outside it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from support.attacker import Attacker
from support.classroom import in_notebook, on_host

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3); print('through')"
FORKS = """
import os, time
n = 0
try:
    while n < 20000:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        n += 1
except OSError as error:
    print(error.errno, n)
"""
EAT = "x = []\nwhile True: x.append(b'x' * (64 << 20))"
FILL = """
import sys
try:
    with open(sys.argv[1], 'wb') as file:
        while True: file.write(b'x' * (4 << 20)); file.flush()
except OSError as error:
    print(error.errno)
"""
SECRET, BIG = "/tmp/secret", "/tmp/big"  # noqa: S108 - in a container
#: Where instance metadata is, and how the host itself asks for what every other question needs.
METADATA = "169.254.169.254"
ASK_FOR_A_TOKEN = ("curl", "-sf", "-m", "3", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60")


def reaches(notebook: dict[str, Any], address: str, port: int) -> bool:
    """Whether somebody in the notebook gets a connection there."""
    return "through" in in_notebook(notebook, "python3", "-c", CONNECT, address, str(port)).stdout


def address_of(notebook: dict[str, Any]) -> str:
    """The address of a container on the host's bridge."""
    ask = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return on_host(notebook["instance_id"], "docker", "inspect", "-f", ask, notebook["container"]).stdout.strip()


def gateway_of(notebook: dict[str, Any]) -> str:
    """The host's own address on that bridge."""
    ask = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}"
    return on_host(notebook["instance_id"], "docker", "inspect", "-f", ask, notebook["container"]).stdout.strip()


def ensure_well(notebook: dict[str, Any], ca_file: str) -> None:
    """Fail unless a notebook lets its owner in, and the host answers within seconds."""
    known = Attacker(notebook, ca_file)
    assert known.log_in(notebook["password"]).status == 302
    assert known.ask("GET", f"{known.base}/api/contents").status == 200
    started = time.monotonic()
    assert on_host(notebook["instance_id"], "true").returncode == 0
    assert time.monotonic() - started < 10


def await_well(notebook: dict[str, Any], ca_file: str) -> None:
    """Wait until a notebook that was ended by its own doing is there again."""
    for _ in range(60):
        try:
            ensure_well(notebook, ca_file)
        except (AssertionError, OSError):
            time.sleep(1)
        else:
            return
    ensure_well(notebook, ca_file)


def test_a_notebooks_user_is_not_root_and_has_no_capabilities(ada: dict[str, Any]) -> None:
    status = in_notebook(ada, "cat", "/proc/self/status").stdout
    told = dict(line.split(":", 1) for line in status.splitlines())
    assert told["Uid"].split() == ["1000"] * 4
    assert {told[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (told["NoNewPrivs"].strip(), told["Seccomp"].strip()) == ("1", "2")


def test_root_in_a_container_would_be_nobody_on_the_host(ada: dict[str, Any]) -> None:
    inside, outside, _ = in_notebook(ada, "cat", "/proc/self/uid_map").stdout.split()
    assert (inside, outside) == ("0", "700000")


@pytest.mark.parametrize(
    "command", ["sudo -n true", "su -c true", "mount -t tmpfs x /mnt", "unshare -Ur true", "chroot / true"]
)
def test_nobody_becomes_root(ada: dict[str, Any], command: str) -> None:
    assert in_notebook(ada, "sh", "-c", f"{command} </dev/null").returncode != 0


def test_the_metadata_of_the_instance_is_out_of_reach(ada: dict[str, Any]) -> None:
    assert on_host(ada["instance_id"], *ASK_FOR_A_TOKEN, f"http://{METADATA}/latest/api/token").stdout
    assert not reaches(ada, METADATA, 80)


def test_without_the_firewall_the_metadata_would_be_in_reach(ada: dict[str, Any]) -> None:
    on_host(ada["instance_id"], "nft", "delete", "table", "inet", "dstk")
    try:
        assert reaches(ada, METADATA, 80)
    finally:
        on_host(ada["instance_id"], "systemctl", "reload", "dstk-firewall")
    assert not reaches(ada, METADATA, 80)


def test_the_internet_is_in_reach(ada: dict[str, Any]) -> None:
    lines = Path("/etc/resolv.conf").read_text()
    assert "nameserver" in lines
    found = in_notebook(ada, "python3", "-c", "import socket; print(socket.gethostbyname('deb.debian.org'))")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("path", ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"])
def test_there_is_no_socket_of_docker(ada: dict[str, Any], path: str) -> None:
    assert in_notebook(ada, "test", "-e", path).returncode == 1


def test_no_path_of_the_host_is_mounted_but_the_home_and_jupyters_settings(ada: dict[str, Any]) -> None:
    asked = on_host(ada["instance_id"], "docker", "inspect", "-f", "{{json .Mounts}}", ada["container"]).stdout
    binds = {(mount["Source"], mount["RW"]) for mount in json.loads(asked) if mount["Type"] == "bind"}
    assert binds == {("/srv/dstk/ada/home", True), ("/etc/dstk/ada/jupyter", False)}


@pytest.mark.parametrize(
    "path", ["/home/ubuntu", "/srv/dstk/ben", "/etc/dstk/ben", "/etc/dstk/ada/password", "/root/.ssh"]
)
def test_neither_the_hosts_login_nor_the_neighbours_home_is_to_be_seen(ada: dict[str, Any], path: str) -> None:
    assert on_host(ada["instance_id"], "test", "-e", path, check=False).returncode in (0, 1)
    assert in_notebook(ada, "ls", path).returncode != 0


def test_the_neighbours_container_is_out_of_reach(ada: dict[str, Any], ben: dict[str, Any]) -> None:
    there = address_of(ben)
    assert on_host(ada["instance_id"], "curl", "-s", "-m", "5", f"http://{there}:8888/ben/api").returncode == 0
    assert not reaches(ada, there, 8888)


@pytest.mark.parametrize("port", [22, 443, 80, 2375, 8888, 8889])
def test_the_hosts_own_services_are_out_of_reach(ada: dict[str, Any], port: int) -> None:
    assert not reaches(ada, gateway_of(ada), port)


def test_ssh_of_the_host_is_out_of_reach_at_every_address_of_it(ada: dict[str, Any]) -> None:
    addresses = on_host(ada["instance_id"], "hostname", "-I").stdout.split()
    assert addresses
    assert [address for address in addresses if ":" not in address and reaches(ada, address, 22)] == []


def test_the_system_of_a_notebook_cannot_be_changed(ada: dict[str, Any]) -> None:
    assert in_notebook(ada, "sh", "-c", "echo x > /usr/local/bin/python").returncode != 0
    assert in_notebook(ada, "sh", "-c", "echo x > /etc/dstk/jupyter/jupyter_server_config.json").returncode != 0


def test_tmp_is_a_notebooks_own(ada: dict[str, Any], ben: dict[str, Any]) -> None:
    assert in_notebook(ada, "sh", "-c", f"echo mine > {SECRET}").returncode == 0
    assert in_notebook(ben, "test", "-e", SECRET).returncode == 1
    assert on_host(ada["instance_id"], "test", "-e", SECRET, check=False).returncode == 1


def test_a_fork_bomb_ends_at_the_notebooks_limit(ada: dict[str, Any], ben: dict[str, Any], ca_file: str) -> None:
    number, forked = in_notebook(ada, "python3", "-c", FORKS).stdout.split()
    assert number == "11"
    assert 0 < int(forked) < 2048
    ensure_well(ben, ca_file)
    on_host(ada["instance_id"], "docker", "restart", ada["container"])
    await_well(ada, ca_file)


def test_a_memory_bomb_ends_in_its_notebook(ada: dict[str, Any], ben: dict[str, Any], ca_file: str) -> None:
    assert in_notebook(ada, "python3", "-c", EAT).returncode == 137
    ensure_well(ben, ca_file)
    await_well(ada, ca_file)


def test_a_full_home_leaves_the_host_and_the_neighbour_room(
    ada: dict[str, Any], ben: dict[str, Any], ca_file: str
) -> None:
    assert in_notebook(ada, "python3", "-c", FILL, "/home/jovyan/big").stdout.split() == ["28"]
    try:
        assert in_notebook(ben, "dd", "if=/dev/zero", "of=/home/jovyan/mine", "bs=1M", "count=20").returncode == 0
        assert on_host(ada["instance_id"], "dd", "if=/dev/zero", "of=/var/tmp/x", "bs=1M", "count=20").returncode == 0
        ensure_well(ben, ca_file)
    finally:
        assert in_notebook(ada, "rm", "/home/jovyan/big").returncode == 0


def test_a_full_tmp_leaves_the_host_and_the_neighbour_well(
    ada: dict[str, Any], ben: dict[str, Any], ca_file: str
) -> None:
    filled = in_notebook(ada, "python3", "-c", FILL, BIG)
    assert filled.stdout.split() == ["28"] or filled.returncode == 137
    ensure_well(ben, ca_file)
    in_notebook(ada, "rm", "-f", BIG)
    await_well(ada, ca_file)
