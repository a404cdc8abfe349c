"""The instances of a deployment as SSH reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dstk_runner.aws import make_client
from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, Mistake, RunError
from dstk_runner.remedies import explain
from dstk_runner.resources import TAG

__all__ = ["Host", "find_host", "make_ssh_command"]


@dataclass(frozen=True)
class Host:
    """A running instance, and whose it is."""

    instance_id: str
    address: str
    student: str


def find_host(config: Config, student: str | None = None) -> Host:
    """Return the student's running instance; without a name, the only one.

    Raises:
        RunError: none is running.
        ConfigError: there are several, or none of that student.
    """
    hosts = _find_hosts(config)
    if not hosts:
        raise RunError(f"no instance of {config.deployment} is running in {config.region}", "dstk up")
    chosen = [host for host in hosts if student in (None, host.student)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(host.student for host in hosts)
    message = f"nobody here is called {student}" if student else "there is more than one instance"
    raise ConfigError([Mistake("--student", "student", message, f"one of {names}")])


def make_ssh_command(config: Config, host: Host, words: list[str]) -> list[str]:
    """Return the command that logs in, or runs `words` there, with the key and the host keys that the playbooks use."""
    options = {
        "HostKeyAlias": host.instance_id,
        "UserKnownHostsFile": f'"{config.folder / "known_hosts"}"',
        "StrictHostKeyChecking": "accept-new",
        "IdentitiesOnly": "yes",
    }
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-i", str(config.ssh_key_path), *flags, f"ubuntu@{host.address}", *words]


def _find_hosts(config: Config) -> list[Host]:
    filters = [
        {"Name": f"tag:{TAG}", "Values": [config.deployment]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    try:
        client: Any = make_client("ec2", config.region)
        pages = list(client.get_paginator("describe_instances").paginate(Filters=filters))
    except Exception as error:
        raise explain(error) from error
    hosts = []
    for row in (row for page in pages for reservation in page["Reservations"] for row in reservation["Instances"]):
        tags = {tag["Key"]: tag["Value"] for tag in row.get("Tags", ())}
        address = row.get("PublicIpAddress") or row.get("PrivateIpAddress", "")
        hosts.append(Host(row["InstanceId"], address, tags.get("dstk:student", "")))
    return sorted(hosts, key=lambda host: host.student)
