"""Which TCP ports an instance listens on, read where the kernel keeps them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path

from docker.errors import NotFound

from dstk_runner.sandbox.engine import client

_LISTEN = "0A"
_LOOPBACK = ("7F", "00000000000000000000000001000000")
_MAPPED_LOOPBACK = "0000000000000000FFFF0000"


class Listeners:
    """Knows the first process of the container at each address, and asks Docker only about new ones."""

    def __init__(self) -> None:
        """Connect to Docker."""
        self._client = client()
        self._pids: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the connection."""
        with closing(self._client):
            self._pids.clear()

    def find_pids(self, addresses: Collection[str]) -> dict[str, int]:
        """Return the process by address, of those that run; one that ended is looked up anew."""
        known = {a: pid for a, pid in self._pids.items() if a in addresses and Path(f"/proc/{pid}/net/tcp").exists()}
        if missing := set(addresses) - known.keys():
            for row in self._client.api.containers():
                networks = row["NetworkSettings"]["Networks"].values()
                for address in missing & {network["IPAddress"] for network in networks}:
                    with suppress(NotFound):
                        known[address] = self._client.api.inspect_container(row["Id"])["State"]["Pid"]
        self._pids = {address: pid for address, pid in known.items() if pid}
        return dict(self._pids)


def find_ports(pid: int) -> frozenset[int]:
    """Return the TCP ports on which others reach the network of a process; none where it has ended."""
    texts = []
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            texts.append(Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii"))
    return frozenset(port for text in texts for port in parse_ports(text))


def parse_ports(table: str) -> frozenset[int]:
    """Return the listening ports in the text of /proc/net/tcp or tcp6, those on loopback left out."""
    ports = set()
    for line in table.splitlines()[1:]:
        columns = line.split()
        address, _, port = columns[1].rpartition(":")
        if columns[3] == _LISTEN and not _is_loopback(address):
            ports.add(int(port, 16))
    return frozenset(ports)


def _is_loopback(address: str) -> bool:
    """Tell by the kernel's hexadecimal words, each in the byte order of the machine (little-endian where dstk runs)."""
    if len(address) == 8:
        return address.endswith(_LOOPBACK[0])
    return address == _LOOPBACK[1] or (address.startswith(_MAPPED_LOOPBACK) and address.endswith(_LOOPBACK[0]))
