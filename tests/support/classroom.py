"""A class in the sandbox: its files, its hosts, and its students at their links."""

from __future__ import annotations

import http.cookiejar
import json
import re
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser's cookies at one notebook, `url` being its root."""

    url: str
    opener: urllib.request.OpenerDirector
    cookies: http.cookiejar.CookieJar

    def read(self, path: str, form: dict[str, str] | None = None) -> int:
        """Ask for a path below the notebook's root, or send a form there, and answer the status."""
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self.opener.open(self.url + path, data, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def write(self, method: str, path: str, document: Document | None = None) -> int:
        """Change something by Jupyter's API, as JupyterLab does, and answer the status."""
        token = next((str(cookie.value) for cookie in self.cookies if cookie.name == "_xsrf"), "")
        data = json.dumps(document).encode() if document else None
        headers = {"X-XSRFToken": token, "Content-Type": "application/json"}
        try:
            with self.opener.open(urllib.request.Request(self.url + path, data, headers, method=method)) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def visit(link: str, tls: Document) -> Visitor:
    """Come to a notebook by its link, trusting whom `tls` of the document names."""
    cookies = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=tls["ca_file"])),
        urllib.request.HTTPCookieProcessor(cookies),
        urllib.request.ProxyHandler({}),
    )
    root = link.partition("/lab")[0] + "/"
    # a browser says where a link was; Jupyter lets files be fetched from its own pages alone
    opener.addheaders.append(("Referer", root))
    return Visitor(root, opener, cookies)


def log_in(notebook: Document, tls: Document) -> Visitor:
    """Answer the login page of a notebook with its password, right or wrong."""
    visitor = visit(notebook["url"], tls)
    visitor.read("login")
    token = next((str(cookie.value) for cookie in visitor.cookies if cookie.name == "_xsrf"), "")
    visitor.read("login", {"_xsrf": token, "password": notebook["password"]})
    return visitor


def books(document: Document) -> dict[str, Document]:
    """The notebooks of a document by student."""
    return {notebook["student"]: notebook for notebook in document["notebooks"]}


def on_host(instance_id: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as root on an instance of the sandbox."""
    words = ["docker", "exec", f"dstk-{instance_id}", *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=check)


def in_notebook(notebook: Document, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a student's container."""
    return on_host(notebook["instance_id"], "docker", "exec", notebook["container"], *command, check=False)


def starts(instance_ids: Iterable[str]) -> dict[str, str]:
    """When each container on these instances was started, by student."""
    found: dict[str, str] = {}
    for instance_id in dict.fromkeys(instance_ids):
        script = "docker ps -q | xargs -r docker inspect -f '{{.Name}} {{.State.StartedAt}}'"
        lines = on_host(instance_id, "sh", "-c", script).stdout.splitlines()
        found |= dict(re.sub(r"^/dstk-", "", line).split() for line in lines)
    return found
