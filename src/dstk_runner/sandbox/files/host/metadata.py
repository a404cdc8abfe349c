"""What answers at 169.254.169.254, as version 2 of the instance metadata service of EC2 does, no more than is used.

It runs in a network of its own (metadata-network.sh), so that packets of containers are forwarded to it. The sandbox
writes what is told, as one JSON object of texts by their paths.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = "/latest/meta-data/"
LONGEST = 21600
"""Seconds that a token may be good for."""
HOPS = 1
"""How many a token may go: enough for the machine, and one too few for a container behind its bridge."""


class Metadata(ThreadingHTTPServer):
    """The service, and the tokens it has given away, with the moment at which each ends."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], told: Path) -> None:
        """Take where to listen and what to tell."""
        self.told = told
        self.tokens: dict[str, float] = {}
        super().__init__(address, Handler)

    def find_texts(self) -> dict[str, str]:
        """Return what is told; the file is absent or half there for a moment while the sandbox writes it anew."""
        for _ in range(40):
            try:
                return dict(json.loads(self.told.read_text(encoding="utf-8")))
            except (OSError, ValueError):
                time.sleep(0.05)
        return {}


class Handler(BaseHTTPRequestHandler):
    """One request. A token is asked for with PUT, and shown with each GET."""

    server: Metadata
    timeout = 5

    def do_PUT(self) -> None:
        """Give a token, for as many seconds as are asked for."""
        asked = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token":
            self.answer(HTTPStatus.NOT_FOUND)
        elif not asked.isdecimal() or not 1 <= int(asked) <= LONGEST:
            self.answer(HTTPStatus.BAD_REQUEST)
        else:
            token = secrets.token_urlsafe(40)
            self.server.tokens[token] = time.monotonic() + int(asked)
            self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOPS)
            self.answer(HTTPStatus.OK, token, {"X-aws-ec2-metadata-token-ttl-seconds": asked})

    def do_GET(self) -> None:
        """Tell one thing to whoever shows a token."""
        token = self.headers.get("X-aws-ec2-metadata-token", "")
        if self.server.tokens.get(token, 0.0) < time.monotonic():
            self.answer(HTTPStatus.UNAUTHORIZED)
            return
        text = self.server.find_texts().get(self.path.removeprefix(FOLDER)) if self.path.startswith(FOLDER) else None
        self.answer(HTTPStatus.NOT_FOUND if text is None else HTTPStatus.OK, text or "")

    def answer(self, status: HTTPStatus, text: str = "", headers: dict[str, str] | None = None) -> None:
        """Send an answer."""
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep no log."""


if __name__ == "__main__":
    Metadata((sys.argv[1], int(sys.argv[2])), Path(sys.argv[3])).serve_forever()
