"""What the library is told in place of AWS, checks and Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dstk_runner.hosts import Host
from dstk_runner.playbooks import PlaybookResult
from dstk_runner.results import Check, Resource

VPC = Resource(kind="vpc", id="vpc-1")
HOMES = Resource(kind="volume", id="vol-1", state="available", billed=True, homes="ada", gigabytes=10)
BACKUP = Resource(kind="snapshot", id="snap-1", billed=True, homes="ada", gigabytes=10, expires="2026-12-31")
INSTANCE = Resource(kind="instance", id="i-1", state="running", billed=True)


class World:
    """What AWS, the checks and Ansible would answer; `ran` is what Ansible was asked."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.found: list[tuple[Resource, ...]] = [()]
        self.kept: tuple[Resource, ...] = ()
        self.expiry = False
        self.hosts: tuple[Host, ...] = ()
        self.result = PlaybookResult(rc=0, hosts=frozenset({"localhost"}))
        self.ran: list[tuple[str, dict[str, Any]]] = []

    def find_resources(self, **_: str) -> tuple[Resource, ...]:
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]

    def find_hosts(self, _: Any) -> tuple[Host, ...]:
        return self.hosts

    def run_checks(self, _: Any, **__: bool) -> tuple[Check, ...]:
        return tuple(self.checks)

    def run_playbook(self, name: str, **options: Any) -> PlaybookResult:
        self.ran.append((name, options))
        return self.result


def host(name: str, *seats: str, state: str = "running") -> Host:
    """A host whose tags name its seats, each as `login identity`."""
    tags = {f"dstk:seat:{number:02d}": seat for number, seat in enumerate(seats, start=1)}
    return Host(instance_id=name, address="a", state=state, type="t3.large", tags=tags)


def notebooks(folder: Path, *students: str, state: str = "ready") -> dict[str, dict[str, Any]]:
    """What the roles publish of these students' notebooks, all on one host."""
    (folder / "password").write_text("open sesame\n")
    values = {"url": "http://a/lab", "instance_id": "i-1", "address": "a", "state": state, "seat": 1}
    password = {"password_file": str(folder / "password")}
    return {name: {**values, **password, "student": name, "container": f"dstk-{name}"} for name in students}


def published(folder: Path, *students: str, **stats: Any) -> dict[str, Any]:
    return {"dstk_notebooks": notebooks(folder, *students), **stats}
