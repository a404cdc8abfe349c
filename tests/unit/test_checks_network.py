from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dstk_runner.checks_network import check_address, check_https_out, check_ssh_out, check_websockets_out
from dstk_runner.config import load_config
from dstk_runner.results import Check

pytestmark = pytest.mark.usefixtures("home")


@contextmanager
def answering(answer: bytes, heard: list[bytes] | None = None) -> Iterator[str]:
    """A server that says the same to the first who comes; a request, if one is awaited, is noted."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                if heard is not None:
                    heard.append(connection.recv(4096))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(timeout=5)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def http(status: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def ask(check: Any, **values: Any) -> Check:
    [found] = check(load_config(values))
    assert isinstance(found, Check)
    return found


def test_an_ssh_server_that_greets_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(b"SSH-2.0-AWS\r\n") as place:
        monkeypatch.setenv("DSTK_PROBE_SSH", place)
        assert ask(check_ssh_out).status == "ok"


def test_a_proxy_that_answers_in_place_of_ssh_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(b"HTTP/1.1 403 Forbidden\r\n") as place:
        monkeypatch.setenv("DSTK_PROBE_SSH", place)
        assert "not as SSH" in ask(check_ssh_out).message


def test_a_refused_connection_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSTK_PROBE_SSH", closed_port())
    found = ask(check_ssh_out)
    assert (found.status, "refused" in found.message, "network" in found.fix) == ("fail", True, True)


def test_a_silent_firewall_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dstk_runner.checks_network._TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("DSTK_PROBE_SSH", f"127.0.0.1:{server.getsockname()[1]}")
        assert ask(check_ssh_out).status == "fail"


@pytest.mark.parametrize("check", [check_ssh_out, check_https_out, check_websockets_out])
def test_an_empty_probe_is_left_out(monkeypatch: pytest.MonkeyPatch, check: Any) -> None:
    for name in ("SSH", "HTTPS", "WEBSOCKET"):
        monkeypatch.setenv(f"DSTK_PROBE_{name}", "")
    assert ask(check).status == "skipped"


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_any_answer_shows_that_https_gets_out(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    with answering(http(status), heard=[]) as place:
        monkeypatch.setenv("DSTK_PROBE_HTTPS", f"http://{place}/ping")
        assert ask(check_https_out).status == "ok"


def test_the_websocket_probe_asks_for_an_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    with answering(http("403 Forbidden"), heard) as place:
        monkeypatch.setenv("DSTK_PROBE_WEBSOCKET", f"http://{place}/channel")
        assert ask(check_websockets_out).status == "ok"
    assert b"Upgrade: websocket\r\n" in heard[0]


def test_a_websocket_that_is_dropped_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(b"", heard=[]) as place:
        monkeypatch.setenv("DSTK_PROBE_WEBSOCKET", f"http://{place}/channel")
        assert ask(check_websockets_out).status == "fail"


def test_the_public_address_is_asked_for() -> None:
    with answering(http("200 OK", "203.0.113.7\n"), heard=[]) as place:
        assert ask(check_address, address_service=f"http://{place}/").message == "203.0.113.7/32 will be let in"


def test_an_address_service_that_talks_nonsense_is_no_help() -> None:
    with answering(http("200 OK", "<html>"), heard=[]) as place:
        found = ask(check_address, address_service=f"http://{place}/")
    assert (found.status, "allowed_cidrs" in found.fix) == ("fail", True)


def test_who_names_networks_needs_no_address() -> None:
    assert check_address(load_config({"allowed_cidrs": ["10.0.0.0/16"]})) == []
