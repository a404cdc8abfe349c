"""What the metadata service of the sandbox's machines answers."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from types import ModuleType

import pytest

from support.plugins import load_file

TOKEN, SECONDS = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"
FOLDER = "/latest/meta-data/"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    with as_file(files("dstk_runner.sandbox") / "files" / "host" / "metadata.py") as path:
        return load_file(path, "metadata")


@pytest.fixture
def told(tmp_path: Path) -> Path:
    path = tmp_path / "told.json"
    path.write_text(json.dumps({"instance-id": "i-1", "placement/availability-zone": "us-west-2a"}))
    return path


@pytest.fixture
def port(program: ModuleType, told: Path) -> Iterator[int]:
    server = program.Metadata(("127.0.0.1", 0), told)
    threading.Thread(target=server.serve_forever).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def ask(port: int, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def token(port: int, seconds: int = 60) -> dict[str, str]:
    status, text = ask(port, "PUT", "/latest/api/token", {SECONDS: str(seconds)})
    assert status == 200
    return {TOKEN: text}


@pytest.mark.parametrize("path", ["instance-id", "spot/instance-action", "nothing"])
@pytest.mark.parametrize("headers", [{}, {TOKEN: "guessed"}])
def test_nothing_is_told_without_a_token(port: int, path: str, headers: dict[str, str]) -> None:
    assert ask(port, "GET", f"{FOLDER}{path}", headers) == (401, "")


def test_what_is_there_is_told(port: int) -> None:
    assert ask(port, "GET", f"{FOLDER}placement/availability-zone", token(port)) == (200, "us-west-2a")


@pytest.mark.parametrize("path", ["/", "/latest/meta-data/public-keys", "/latest/user-data", "instance-id"])
def test_what_is_not_there_is_not_found(port: int, path: str) -> None:
    assert ask(port, "GET", path, token(port)) == (404, "")


def test_what_is_written_anew_is_told_anew(port: int, told: Path) -> None:
    told.write_text('{"spot/in')
    threading.Timer(0.2, told.write_text, ['{"spot/instance-action": "soon"}']).start()
    assert ask(port, "GET", f"{FOLDER}spot/instance-action", token(port)) == (200, "soon")


@pytest.mark.parametrize("seconds", ["", "0", "21601", "-1", "soon"])
def test_no_token_is_given_for_no_time_and_for_ever(port: int, seconds: str) -> None:
    assert ask(port, "PUT", "/latest/api/token", {SECONDS: seconds})[0] == 400


def test_a_token_is_given_at_one_address(port: int) -> None:
    assert ask(port, "PUT", f"{FOLDER}instance-id", {SECONDS: "60"})[0] == 404


def test_a_token_ends(port: int, program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = token(port, 60)
    now = program.time.monotonic()
    monkeypatch.setattr(program.time, "monotonic", lambda: now + 61)
    assert ask(port, "GET", f"{FOLDER}instance-id", shown)[0] == 401
