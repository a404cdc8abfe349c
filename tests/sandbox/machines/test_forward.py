"""From a public address into a machine, on the ports that rules open."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from dstk_runner.sandbox.forward import MARK, Exposure, Forwarder, Rule
from support.machine import Machine, until

PUBLIC = "127.77.254.9"
ECHO = 7007
CLOSED = 7008
LOCAL = 7009

#: Sends back, once the other side is done, the hash of all it was sent.
HASHER = """
import hashlib, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        digest = hashlib.sha256()
        while chunk := self.rfile.read1(65536):
            digest.update(chunk)
        self.wfile.write(digest.hexdigest().encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 64
import threading
for address, port in (("0.0.0.0", 7007), ("0.0.0.0", 7008), ("127.0.0.1", 7009)):
    threading.Thread(target=Server((address, port), Handler).serve_forever).start()
"""


def rule(port: int, cidr: str = "127.0.0.1/32") -> Rule:
    return Rule("tcp", port, port, cidr)


def is_open(port: int) -> bool:
    try:
        socket.create_connection((PUBLIC, port), timeout=2).close()
    except ConnectionRefusedError:
        return False
    return True


def exchange(data: bytes, port: int = ECHO) -> str:
    """Send all, say that this was all, and return what comes back."""
    with socket.create_connection((PUBLIC, port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read().decode()


def is_cut(connection: socket.socket) -> bool:
    """Wait for something to come, and tell whether it is the end."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.fixture(scope="module")
def serving(machine: Machine) -> Machine:
    """The machine with three servers, one of them on its loopback."""
    machine.ssh(f"cat >hasher.py <<'END'\n{HASHER}\nEND\nsudo systemd-run --unit=hasher python3 /home/ubuntu/hasher.py")
    until(lambda: "7009" in machine.ssh("ss -Hltn").stdout)
    return machine


@pytest.fixture
def forwarder() -> Iterator[Forwarder]:
    forwarder = Forwarder()
    yield forwarder
    forwarder.close()


@pytest.fixture
def open_address(forwarder: Forwarder, serving: Machine) -> Exposure:
    """The address, open on one port of those the machine listens on."""
    exposure = Exposure(serving.address(), frozenset({rule(ECHO), rule(LOCAL)}))
    forwarder.apply({PUBLIC: exposure})
    until(lambda: is_open(ECHO), seconds=5)
    return exposure


def test_a_large_transfer_arrives_whole_and_half_closed(open_address: Exposure) -> None:
    data = bytes(range(256)) * (1 << 17)
    assert exchange(data) == hashlib.sha256(data).hexdigest()


def test_a_port_without_a_rule_refuses(open_address: Exposure) -> None:
    assert not is_open(CLOSED)


def test_a_port_on_the_machine_s_loopback_refuses(open_address: Exposure) -> None:
    assert not is_open(LOCAL)


def test_a_port_nobody_listens_on_refuses(forwarder: Forwarder, open_address: Exposure) -> None:
    forwarder.apply({PUBLIC: Exposure(open_address.target, frozenset({rule(ECHO), Rule("-1", -1, -1, "0.0.0.0/0")}))})
    until(lambda: is_open(CLOSED), seconds=5)
    assert not is_open(7010)


def test_a_source_outside_the_rules_gets_nothing(forwarder: Forwarder, serving: Machine) -> None:
    forwarder.apply({PUBLIC: Exposure(serving.address(), frozenset({rule(ECHO, "192.0.2.0/24")}))})
    until(lambda: is_open(ECHO), seconds=5)
    with socket.create_connection((PUBLIC, ECHO), timeout=5) as connection:
        assert is_cut(connection)


def test_a_new_rule_opens_its_port_within_half_a_second(forwarder: Forwarder, open_address: Exposure) -> None:
    forwarder.apply({PUBLIC: Exposure(open_address.target, open_address.rules | {rule(CLOSED)})})
    until(lambda: is_open(CLOSED), seconds=0.5)


def test_closing_an_address_ends_its_connections(forwarder: Forwarder, open_address: Exposure) -> None:
    with socket.create_connection((PUBLIC, ECHO), timeout=5) as connection:
        connection.sendall(b"half a")
        forwarder.apply({})
        assert is_cut(connection)


def test_many_connections_at_once_keep_apart(open_address: Exposure) -> None:
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = exchange(str(number).encode() * 1000)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: hashlib.sha256(str(n).encode() * 1000).hexdigest() for n in range(50)}


def find_rules() -> str:
    rules = subprocess.run(["iptables", "-t", "nat", "-S", "OUTPUT"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in rules.splitlines() if MARK in line and PUBLIC in line)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that another program of this machine holds on every address, as its own sshd does."""
    with socket.create_server(("0.0.0.0", ECHO)):  # noqa: S104 - that is the point
        yield ECHO


def test_a_port_taken_on_every_address_is_led_around(taken_port: int, open_address: Exposure) -> None:
    until(lambda: find_rules() != "", seconds=5)
    assert exchange(b"through") == hashlib.sha256(b"through").hexdigest()


def test_a_way_around_is_gone_with_the_forwarder(taken_port: int, serving: Machine) -> None:
    forwarder = Forwarder()
    forwarder.apply({PUBLIC: Exposure(serving.address(), frozenset({rule(ECHO)}))})
    until(lambda: find_rules() != "", seconds=5)
    forwarder.close()
    assert find_rules() == ""
