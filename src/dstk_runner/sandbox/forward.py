"""Public addresses of the sandbox: loopback addresses that lead to instances, on the ports their groups open."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import shutil
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from dstk_runner.sandbox.listeners import Listeners, find_ports

log = logging.getLogger(__name__)

#: How long a port that an instance has just opened may stay closed outside, in seconds.
TICK = 0.3
CHUNK = 1 << 16

#: Marks the rules that lead around a port another program holds on every address, so that they are found again.
MARK = "dstk-sandbox"
_IPTABLES = ("iptables", "--wait", "--table", "nat")


@dataclass(frozen=True)
class Rule:
    """What a security group lets in: a protocol as EC2 names it (-1 is all), ports, and from where."""

    protocol: str
    from_port: int
    to_port: int
    cidr: str

    def admits(self, port: int, source: str | None = None) -> bool:
        """Tell whether the rule opens a TCP port, to anybody or to one source address."""
        if self.protocol not in ("tcp", "6", "-1"):
            return False
        in_range = self.protocol == "-1" or self.from_port <= port <= self.to_port
        return in_range and (
            source is None or ipaddress.ip_address(source) in ipaddress.ip_network(self.cidr, strict=False)
        )


@dataclass(frozen=True)
class Exposure:
    """Where a public address leads, and what the groups let in."""

    target: str
    rules: frozenset[Rule]

    def admits(self, port: int, source: str | None = None) -> bool:
        """Tell whether any rule opens a TCP port, to anybody or to one source address."""
        return any(rule.admits(port, source) for rule in self.rules)


@dataclass
class _Door:
    """One public port that is open: its listener, the connections through it, and the way around, if it needs one."""

    server: asyncio.Server
    around: tuple[str, ...] = ()
    connections: set[asyncio.Task[None]] = field(default_factory=set)


class Forwarder:
    """Carries TCP connections from public addresses to instances, in a thread of its own."""

    def __init__(self) -> None:
        """Start with no address open; rules that a forwarder before this one left behind are removed."""
        self._wanted: dict[str, Exposure] = {}
        self._doors: dict[tuple[str, int], _Door] = {}
        self._refused: set[tuple[str, int]] = set()
        self._listeners = Listeners()
        self._ended = asyncio.Event()
        self._changed = asyncio.Event()
        remove_ways_around()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._follow(),), daemon=True)
        self._thread.start()

    def apply(self, exposures: Mapping[str, Exposure]) -> None:
        """Forward exactly these, by public address. What is no longer among them is cut at once."""
        wanted = dict(exposures)

        def take() -> None:
            self._wanted = wanted
            self._changed.set()

        self._loop.call_soon_threadsafe(take)

    def close(self) -> None:
        """Close every port and end every connection."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._loop.call_soon_threadsafe(self._changed.set)
        self._thread.join(timeout=10)
        self._listeners.close()

    async def _follow(self) -> None:
        while not self._ended.is_set():
            self._changed.clear()
            try:
                await self._update()
            except Exception:
                log.exception("the forwarder could not follow")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TICK if self._wanted else None)
        for place in list(self._doors):
            await self._shut(place)

    async def _update(self) -> None:
        """Open and shut ports until those open are those that instances listen on and groups admit."""
        pids = await asyncio.to_thread(self._listeners.find_pids, {e.target for e in self._wanted.values()})
        wanted: dict[tuple[str, int], Exposure] = {}
        for public, exposure in self._wanted.items():
            ports = find_ports(pids[exposure.target]) if exposure.target in pids else frozenset()
            wanted |= {(public, port): exposure for port in ports if exposure.admits(port)}
        for place in [place for place in self._doors if place not in wanted]:
            await self._shut(place)
        self._refused &= wanted.keys()
        for place in wanted.keys() - self._doors.keys() - self._refused:
            await self._open(place)

    async def _open(self, place: tuple[str, int]) -> None:
        public, port = place

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._carry(place, reader, writer))
            if door := self._doors.get(place):
                door.connections.add(task)
                task.add_done_callback(door.connections.discard)

        try:
            self._doors[place] = _Door(await asyncio.start_server(accept, public, port))
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                self._give_up(place, str(error))
                return
        # another program holds the port on every address: listen elsewhere, and lead the packets there
        server = await asyncio.start_server(accept, public, 0)
        other = server.sockets[0].getsockname()[1]
        around = find_way_around(public, port, other)
        done = await asyncio.to_thread(_iptables, "--insert", *around)
        if done:
            server.close()
            self._give_up(place, f"another program holds port {port} on every address, and iptables says: {done}")
            return
        self._doors[place] = _Door(server, around)

    def _give_up(self, place: tuple[str, int], reason: str) -> None:
        self._refused.add(place)
        log.error("%s:%d cannot be opened: %s", *place, reason)

    async def _shut(self, place: tuple[str, int]) -> None:
        door = self._doors.pop(place)
        door.server.close()
        connections = tuple(door.connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        if door.around:
            await asyncio.to_thread(_iptables, "--delete", *door.around)

    async def _carry(self, place: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, both ways, until both sides are done or one breaks."""
        public, port = place
        ends = [writer]
        try:
            exposure = self._wanted.get(public)
            if exposure is None or not exposure.admits(port, writer.get_extra_info("peername")[0]):
                return
            with suppress(OSError):
                there, back = await asyncio.open_connection(exposure.target, port)
                ends.append(back)
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            for end in ends:
                end.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        sink.write(chunk)
        await sink.drain()
    with suppress(OSError):
        sink.write_eof()


def find_way_around(public: str, port: int, other: int) -> tuple[str, ...]:
    """Return the rule, as iptables takes it, that leads packets for one port of an address to another port of it."""
    matches = ("--destination", f"{public}/32", "--protocol", "tcp", "--dport", str(port))
    return ("OUTPUT", *matches, "--match", "comment", "--comment", MARK, "--jump", "DNAT", "--to", f"{public}:{other}")


def parse_ways_around(saved: str) -> list[tuple[str, ...]]:
    """Return the sandbox's rules among those that `iptables -S OUTPUT` printed."""
    rules = [line.split() for line in saved.splitlines() if line.startswith("-A ") and f"--comment {MARK} " in line]
    return [tuple(rule[1:]) for rule in rules]


def remove_ways_around() -> None:
    """Remove the rules of a forwarder that had no time to."""
    if not shutil.which("iptables"):
        return
    listed = subprocess.run(  # noqa: S603 - a fixed command
        [*_IPTABLES, "--list-rules", "OUTPUT"], capture_output=True, text=True, check=False
    )
    for rule in parse_ways_around(listed.stdout):
        _iptables("--delete", *rule)


def _iptables(*arguments: str) -> str:
    """Change one rule; return what went wrong, or nothing."""
    try:
        done = subprocess.run(  # noqa: S603 - arguments made here from numbers and addresses
            [*_IPTABLES, *arguments], capture_output=True, text=True, check=False
        )
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()
