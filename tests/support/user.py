"""Somebody at a shell, and the API as it looks from outside dstk."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from support.environment import BIN

#: What a deployment makes: how the API is asked for it, and the list in its answer.
TAGGED = {
    "instance": ("describe_instances", "Reservations"),
    "volume": ("describe_volumes", "Volumes"),
    "key pair": ("describe_key_pairs", "KeyPairs"),
    "security group": ("describe_security_groups", "SecurityGroups"),
    "subnet": ("describe_subnets", "Subnets"),
    "route table": ("describe_route_tables", "RouteTables"),
    "internet gateway": ("describe_internet_gateways", "InternetGateways"),
    "vpc": ("describe_vpcs", "Vpcs"),
}


#: Hosts get all that they need, whatever was baked.
UNBAKED = {"DSTK_BAKED": "never"}


@dataclass(frozen=True)
class User:
    """A folder, an environment, and the `dstk` command."""

    folder: Path
    environment: dict[str, str]

    def dstk(self, *arguments: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run `dstk` to its end; with `check`, a non-zero exit fails the test with all that was printed."""
        return self.shell(str(BIN / "dstk"), *arguments, check=check, timeout=timeout)

    def shell(self, *command: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run any command to its end, as `dstk` does."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} exited {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")
        return done

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Begin a command, and go on beside it; takes the options of Popen, and pipes what it prints without them."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            text=True,
            **(pipes | options),
        )

    def document(self, *arguments: str, check: bool = True, timeout: float = 900) -> dict[str, Any]:
        """Run `dstk … --json` and read the one document on its standard output."""
        answer: dict[str, Any] = json.loads(self.dstk(*arguments, "--json", check=check, timeout=timeout).stdout)
        return answer


@dataclass(frozen=True)
class Api:
    """The sandbox's API, asked directly through boto3."""

    environment: dict[str, str]

    def client(self, service: str = "ec2", region: str = "us-west-2") -> Any:
        """A boto3 client that speaks to the sandbox."""
        session = boto3.Session(
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
        )
        make: Any = session.client
        return make(service, endpoint_url=self.environment["AWS_ENDPOINT_URL"])

    def tagged(self, deployment: str) -> dict[str, list[dict[str, Any]]]:
        """All that carries the deployment's tag, by kind; a terminated instance does not count."""
        client = self.client()
        named = [{"Name": "tag:dstk:deployment", "Values": [deployment]}]
        found = {kind: getattr(client, call)(Filters=named)[answer] for kind, (call, answer) in TAGGED.items()}
        instances = [instance for reservation in found["instance"] for instance in reservation["Instances"]]
        found["instance"] = [i for i in instances if i["State"]["Name"] != "terminated"]
        return found

    def left(self, deployment: str) -> dict[str, int]:
        """How much of each kind is there, kinds with nothing left out; homes stay by design, and do not count."""
        found = self.tagged(deployment)
        homes = {"dstk:homes", "dstk:replaced"}
        found["volume"] = [row for row in found["volume"] if not homes & {tag["Key"] for tag in row["Tags"]}]
        return {kind: len(rows) for kind, rows in found.items() if rows}

    def calls(self, action: str) -> int:
        """How often an action was asked of the sandbox so far."""
        return int(self._control("GET", "calls").get(action, 0))

    def inject(self, **fault: Any) -> None:
        """Order a fault; see the sandbox's page for its fields."""
        self._control("POST", "faults", fault)

    def faults(self) -> list[dict[str, Any]]:
        """Faults ordered that have not happened yet."""
        pending: list[dict[str, Any]] = self._control("GET", "faults")
        return pending

    def clear_faults(self) -> None:
        """Take back every fault."""
        self._control("DELETE", "faults")

    def _control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.environment['AWS_ENDPOINT_URL']}/_dstk/{path}", data, method=method)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")
