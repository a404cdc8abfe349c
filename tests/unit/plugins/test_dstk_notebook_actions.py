"""What the controller does of a notebook's work: passwords in files, and JupyterLab asked from outside."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dstk_runner.sandbox.certificates import issue_certificate
from support.plugins import Load

NAME = "ada.class.example.edu"


@dataclass(frozen=True)
class Jupyter:
    """A server that answers as Jupyter does, by a name that no network knows."""

    url: str
    authorities: Path


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"version": "2.20"}' if self.path == "/ada/api" else b"<html>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    made = issue_certificate([NAME])
    (tmp_path / "own.pem").write_text(made.certificate + made.key)
    (tmp_path / "ca.pem").write_text(made.authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Jupyter(f"https://{NAME}:{server.server_port}/ada", tmp_path / "ca.pem")
    server.shutdown()
    server.server_close()


def find_trouble(load: Load, url: str, authorities: Path | str) -> str:
    action = load("action/dstk_notebook_answers")
    return str(action.find_trouble(url, "127.0.0.1", action.make_context(str(authorities))))


def test_a_password_is_its_owner_s_alone(load: Load, tmp_path: Path) -> None:
    load("action/dstk_notebooks").ensure_password(tmp_path / "ada", "secret")
    assert ((tmp_path / "ada").read_text(), (tmp_path / "ada").stat().st_mode & 0o777) == ("secret", 0o600)


def test_a_password_that_is_there_is_left(load: Load, tmp_path: Path) -> None:
    ensure = load("action/dstk_notebooks").ensure_password
    assert [ensure(tmp_path / "ada", "secret") for _ in range(2)] == [True, False]


def test_a_password_that_others_can_read_is_closed(load: Load, tmp_path: Path) -> None:
    ensure = load("action/dstk_notebooks").ensure_password
    (tmp_path / "ada").write_text("secret")
    (tmp_path / "ada").chmod(0o644)
    ensure(tmp_path / "ada", "secret")
    assert (tmp_path / "ada").stat().st_mode & 0o777 == 0o600


def test_the_folder_of_the_passwords_is_closed_to_others(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "csx450" / "passwords"
    load("action/dstk_notebooks").ensure_folders(folder)
    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3


def test_jupyter_answers_at_the_address_by_its_name(load: Load, jupyter: Jupyter) -> None:
    assert find_trouble(load, jupyter.url, jupyter.authorities) == ""


def test_another_server_is_not_jupyter(load: Load, jupyter: Jupyter) -> None:
    assert find_trouble(load, f"{jupyter.url}/elsewhere", jupyter.authorities) != ""


def test_a_certificate_of_an_unknown_authority_is_no_answer(load: Load, jupyter: Jupyter) -> None:
    assert "certificate" in find_trouble(load, jupyter.url, "")


def test_a_certificate_of_another_name_is_no_answer(load: Load, jupyter: Jupyter) -> None:
    assert "mismatch" in find_trouble(load, jupyter.url.replace("ada.class", "ben.class"), jupyter.authorities)


def test_who_is_silent_is_given_up_when_the_time_is_over(load: Load) -> None:
    action = load("action/dstk_notebook_answers")
    context = action.make_context("")
    assert "refused" in action.wait_for_answer("https://127.0.0.1:1/ada", "127.0.0.1", context, time.monotonic())
