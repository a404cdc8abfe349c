"""A sandbox that boots nothing, and a user who speaks to it with plain Ansible."""

from __future__ import annotations

import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from dstk_runner import sandbox
from support.environment import ROOT, clean_environment

REGION = "us-west-2"
DEPLOYMENT = "csx450"
OURS = [{"Name": "tag:dstk:deployment", "Values": [DEPLOYMENT]}]


class Greeters(socketserver.ThreadingTCPServer):
    """Takes as many callers at once as a class has hosts."""

    request_queue_size = 512
    daemon_threads = True


class Greeter(socketserver.BaseRequestHandler):
    """Answers as the SSH server of an instance does; in this sandbox none is booted."""

    def handle(self) -> None:
        self.request.sendall(b"SSH-2.0-greeter\r\n")


@dataclass(frozen=True)
class Place:
    """A sandbox, and a user who speaks to it with plain Ansible."""

    folder: Path
    environment: dict[str, str]
    ssh_port: int
    client: Any

    def start(self, playbook: str, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ansible-playbook", f"playbooks/{playbook}.yml", "-e", f"ec2_instance_ssh_port={self.ssh_port}", *more],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *more: str) -> tuple[int, str]:
        process = self.start(playbook, *more)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def ensure(self, playbook: str, *more: str) -> str:
        code, output = self.run(playbook, *more)
        assert code == 0, output
        return output

    def count(self) -> dict[str, int]:
        """How many of each kind carry the deployment's tag; ended instances do not count."""
        return {
            "instances": len(self.instances()),
            "vpcs": len(self.client.describe_vpcs(Filters=OURS)["Vpcs"]),
            "gateways": len(self.client.describe_internet_gateways(Filters=OURS)["InternetGateways"]),
            "tables": len(self.client.describe_route_tables(Filters=OURS)["RouteTables"]),
            "subnets": len(self.client.describe_subnets(Filters=OURS)["Subnets"]),
            "groups": len(self.client.describe_security_groups(Filters=OURS)["SecurityGroups"]),
            "keys": len(self.client.describe_key_pairs(Filters=OURS)["KeyPairs"]),
        }

    def instances(self) -> list[dict[str, Any]]:
        reservations = self.client.describe_instances(Filters=OURS)["Reservations"]
        found = [instance for reservation in reservations for instance in reservation["Instances"]]
        return [instance for instance in found if instance["State"]["Name"] not in ("shutting-down", "terminated")]

    def end_instances(self) -> None:
        """Homes end with them, for a host would start beside these; the network stays, and need not be made again."""
        ids = [instance["InstanceId"] for instance in self.instances()]
        if ids:
            self.client.terminate_instances(InstanceIds=ids)
            self.client.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
        for volume in self.client.describe_volumes(Filters=OURS)["Volumes"]:
            self.client.delete_volume(VolumeId=volume["VolumeId"])

    def make_client(self, service: str) -> Any:
        """Return a client of another service, of who may do everything."""
        make: Any = boto3.client  # typed by service, by name only
        return make(
            service,
            REGION,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def inject(self, action: str, fault: str, **more: Any) -> None:
        sandbox.inject(action, fault, directory=self.folder, **more)

    def calls(self, action: str) -> int:
        return sandbox.find_calls(directory=self.folder).get(action, 0)


@contextmanager
def opened(folder: Path, home: Path) -> Iterator[Place]:
    """Start a sandbox in a folder for a user with an empty home, and end it."""
    sandbox.up(mode="api", directory=folder)
    settings = sandbox.environment(directory=folder)
    client = boto3.client(
        "ec2",
        REGION,
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
    environment = clean_environment(home, DSTK_DEPLOYMENT=DEPLOYMENT, **settings)
    # every address of 127.0.0.0/8 is this machine
    with Greeters(("0.0.0.0", 0), Greeter) as greeter:  # noqa: S104 - instances have their own
        threading.Thread(target=greeter.serve_forever, daemon=True).start()
        try:
            yield Place(folder, environment, greeter.server_address[1], client)
        finally:
            greeter.shutdown()
            sandbox.down(directory=folder)
