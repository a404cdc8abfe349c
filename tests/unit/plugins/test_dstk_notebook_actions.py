"""What the controller does of a notebook's work: passwords in files, and JupyterLab asked from outside."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.plugins import Load


@pytest.fixture
def jupyter() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"version": "2.20"}' if self.path == "/api" else b"<html>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


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


def test_jupyter_answers(load: Load, jupyter: str) -> None:
    assert load("action/dstk_notebook_answers").find_answer(jupyter)


def test_another_server_is_not_jupyter(load: Load, jupyter: str) -> None:
    assert not load("action/dstk_notebook_answers").find_answer(f"{jupyter}/elsewhere")


def test_who_is_silent_is_given_up_when_the_time_is_over(load: Load) -> None:
    assert not load("action/dstk_notebook_answers").wait_for_answer("http://127.0.0.1:1", time.monotonic())
