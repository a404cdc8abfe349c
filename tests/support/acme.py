"""A real ACME server, pebble, with a DNS of its own that knows every name."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from dstk_runner.sandbox.certificates import issue_certificate
from dstk_runner.sandbox.network import NAME
from support.machine import until

#: Where no instance is, and nothing answers.
NOWHERE = "127.99.99.99"


@dataclass(frozen=True)
class AcmeServer:
    """Where it is, and the files that make clients trust it."""

    directory: str
    root: Path
    issued_root: Path
    management: str

    def resolve_to(self, address: str) -> None:
        """Let every name be at this address from now on."""
        body = json.dumps({"ip": address}).encode()
        request = urllib.request.Request(f"{self.management}/set-default-ipv4", body)  # noqa: S310
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).close()


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_open(host: str, port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex((host, port)) == 0


@contextmanager
def running(*command: str, cwd: Path, **environment: str) -> Iterator[None]:
    """Run a server while this is open."""
    log = (cwd / f"{Path(command[0]).name}.log").open("wb")
    with log, subprocess.Popen(command, cwd=cwd, stdout=log, stderr=log, env=environment) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def opened(folder: Path, *, seconds: int) -> Iterator[AcmeServer]:
    """Start the server, whose certificates live so many seconds. Instances of the sandbox reach it at their gateway."""
    gateway = docker.from_env().networks.get(NAME).attrs["IPAM"]["Config"][0]["Gateway"]
    directory, roots, names, management = (find_free_port() for _ in range(4))
    made = issue_certificate([gateway])
    for name, text in (("cert.pem", made.certificate), ("key.pem", made.key), ("root.pem", made.authority)):
        (folder / name).write_text(text)
    settings = {
        "listenAddress": f"{gateway}:{directory}",
        "managementListenAddress": f"{gateway}:{roots}",
        "certificate": "cert.pem",
        "privateKey": "key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        "certificateValidityPeriod": seconds,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    dns = [
        *("-dns01", f"127.0.0.1:{names}", "-management", f"127.0.0.1:{management}"),
        *("-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", NOWHERE, "-defaultIPv6", ""),
    ]
    pebble = ["-config", "pebble.json", "-dnsserver", f"127.0.0.1:{names}"]
    with ExitStack() as stack:
        stack.enter_context(running(str(shutil.which("pebble-challtestsrv")), *dns, cwd=folder))
        # neither pauses nor refusals at random: it is not pebble that is tested
        calm = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        stack.enter_context(running(str(shutil.which("pebble")), *pebble, cwd=folder, **calm))
        until(lambda: is_open(gateway, roots) and is_open("127.0.0.1", management), what="the ACME server")
        trusted = ssl.create_default_context(cafile=folder / "root.pem")
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        issued = folder / "issued_root.pem"
        issued.write_bytes(opener.open(f"https://{gateway}:{roots}/roots/0", timeout=5).read())
        yield AcmeServer(
            directory=f"https://{gateway}:{directory}/dir",
            root=folder / "root.pem",
            issued_root=issued,
            management=f"http://127.0.0.1:{management}",
        )
