"""Somebody who means harm: raw requests to a notebook, with nothing that a browser would add or refuse."""

from __future__ import annotations

import base64
import http.client
import http.cookies
import os
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIMEOUT = 20


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: http.client.HTTPMessage
    body: str


@dataclass
class Attacker:
    """Speaks to one notebook, whose certificate it checks, and keeps cookies as they come."""

    notebook: Mapping[str, Any]
    ca_file: str
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Where the notebook's pages are from."""
        parts = urllib.parse.urlsplit(self.notebook["url"])
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def base(self) -> str:
        """The path of the student."""
        return f"/{self.notebook['student']}"

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        """Send one request; header names are written with _ in place of -."""
        server = urllib.parse.urlsplit(self.origin)
        connection = http.client.HTTPSConnection(
            server.hostname or "",
            server.port,
            timeout=TIMEOUT,
            context=ssl.create_default_context(cafile=self.ca_file),
        )
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        try:
            connection.request(method, path, body, sent)
            reply = connection.getresponse()
            # a websocket that was opened has no end to be read to
            text = "" if reply.status == 101 else reply.read().decode(errors="replace")
        finally:
            connection.close()
        for line in reply.headers.get_all("Set-Cookie") or []:
            self.cookies.update({name: morsel.value for name, morsel in http.cookies.SimpleCookie(line).items()})
        return Answer(reply.status, reply.headers, text)

    def log_in(self, password: str) -> Answer:
        """Answer the login page."""
        self.ask("GET", f"{self.base}/login")
        form = urllib.parse.urlencode({"_xsrf": self.cookies.get("_xsrf", ""), "password": password})
        return self.ask("POST", f"{self.base}/login", form, Content_Type="application/x-www-form-urlencoded")

    def open_websocket(self, path: str, origin: str) -> int:
        """Ask for a websocket as a page of that origin would, and answer the status."""
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
        return self.ask("GET", path, Origin=origin, Sec_WebSocket_Key=key, Sec_WebSocket_Version="13", **upgrade).status
