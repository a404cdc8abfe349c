"""The instances of a deployment: whose they are, and how SSH reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dstk_runner.aws import make_client
from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, Mistake, RunError
from dstk_runner.project import load_known_hosts, load_seats
from dstk_runner.remedies import explain
from dstk_runner.resources import TAG

__all__ = ["Host", "find_host", "find_hosts", "make_ssh_command"]

_THERE = ("pending", "running", "stopping", "stopped")


@dataclass(frozen=True)
class Host:
    """An instance, and what its tags say of it."""

    instance_id: str
    address: str
    state: str
    type: str
    tags: Mapping[str, str]

    @property
    def students(self) -> tuple[str, ...]:
        """Who has a seat here, by seat."""
        return tuple(seat.student for seat in load_seats().find_seats(self.tags))


def find_hosts(config: Config) -> tuple[Host, ...]:
    """Return all instances that are not terminated, oldest first.

    Raises:
        DstkError: AWS could not be asked.
    """
    filters = [
        {"Name": f"tag:{TAG}", "Values": [config.deployment]},
        {"Name": "instance-state-name", "Values": list(_THERE)},
    ]
    try:
        client: Any = make_client("ec2", config.region)
        pages = list(client.get_paginator("describe_instances").paginate(Filters=filters))
    except Exception as error:
        raise explain(error) from error
    rows = [row for page in pages for reservation in page["Reservations"] for row in reservation["Instances"]]
    return tuple(_read_host(row) for row in sorted(rows, key=lambda row: (row["LaunchTime"], row["InstanceId"])))


def find_host(config: Config, student: str | None = None) -> Host:
    """Return the running instance on which the student sits; without a name, the only one.

    Raises:
        RunError: none is running.
        ConfigError: there are several, or none of that student.
    """
    found = find_hosts(config)
    hosts = [host for host in found if host.state == "running"]
    if not hosts:
        fix = "dstk start" if found else "dstk up"
        raise RunError(f"no instance of {config.deployment} is running in {config.region}", fix)
    chosen = [host for host in hosts if student is None or student in host.students]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(sorted(name for host in hosts for name in host.students))
    message = f"nobody here is called {student}" if student else "there is more than one instance"
    raise ConfigError([Mistake("--student", "student", message, f"one of {names}")])


def make_ssh_command(config: Config, host: Host, words: list[str]) -> list[str]:
    """Return the command that logs in, or runs `words` there, with the key and the host keys that the playbooks use.

    The host's own key is that of its tag, where nobody has learned it here before.

    Raises:
        ConfigError: with `access: ssm`, a command cannot be run.
    """
    if config.access == "ssm":
        if words:
            message, fix = "a session takes no command", "`dstk ssh` opens it; `dstk run` runs a command in notebooks"
            raise ConfigError([Mistake("", "access", message, fix)])
        return ["aws", "ssm", "start-session", "--region", config.region, "--target", host.instance_id]
    known = load_known_hosts()
    if key := host.tags.get(known.TAG):
        known.add_keys(config.folder / "known_hosts", {host.instance_id: [(known.KIND, key)]})
    options = {
        "HostKeyAlias": host.instance_id,
        "UserKnownHostsFile": f'"{config.folder / "known_hosts"}"',
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
    }
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-i", str(config.ssh_key_path), *flags, f"ubuntu@{host.address}", *words]


def _read_host(row: Mapping[str, Any]) -> Host:
    return Host(
        instance_id=row["InstanceId"],
        address=row.get("PublicIpAddress") or row.get("PrivateIpAddress", ""),
        state=row["State"]["Name"],
        type=row["InstanceType"],
        tags={tag["Key"]: tag["Value"] for tag in row.get("Tags", ())},
    )
