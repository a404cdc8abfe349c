"""Reaching an instance of the sandbox: its ports, its shell, and waiting for what shall come true."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from support.aws import Aws

SSH = ("-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3")


def open_port(aws: Aws, group: str, port: int) -> None:
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "127.0.0.1/32"}]}
    aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])  # type: ignore[list-item]


def until(done: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def ssh(aws: Aws, instance: str, key: Path, command: str) -> str:
    """Run a command on the instance, as soon as it lets anybody in."""
    address = aws.instance(instance)["PublicIpAddress"]
    hosts = key.with_name(f"known_hosts_{instance}_{address}")
    options = (*SSH, "-i", str(key), "-o", f"UserKnownHostsFile={hosts}")
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(["ssh", *options, f"ubuntu@{address}", command], capture_output=True, text=True)
        if done.returncode != 255:
            return done.stdout.strip()
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)
