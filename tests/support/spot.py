"""A class on spot instances of the sandbox, served by the module's functions without Ansible."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dstk_runner import sandbox
from support.aws import Aws
from support.plugins import load_packed
from support.seating import Place

LASTING = [
    {"Name": "tag:dstk:deployment", "Values": ["csx450"]},
    {"Name": "state", "Values": ["open", "active", "disabled"]},
]


class SpotPlace(Place):
    """A class whose hosts are spot instances, in a region of the sandbox that nobody touched."""

    def __init__(self, aws: Aws, folder: Path) -> None:
        super().__init__(load_packed, aws.ec2)
        self.folder = folder
        self.given["images"] = {"x86_64": {"image_id": aws.image(), "root_device_name": "/dev/sda1"}}
        self.given |= {"spot": True, "instance_type": "t3.small"}

    def host(self, student: str) -> dict[str, Any]:
        """The instance of a student, of those that have not ended."""
        [found] = [
            item
            for item in self.instances()
            if {"Key": "dstk:student", "Value": student} in item.get("Tags", ())
            and item["State"]["Name"] not in ("shutting-down", "terminated")
        ]
        return found

    def state(self, instance_id: str) -> str:
        return next(str(item["State"]["Name"]) for item in self.instances() if item["InstanceId"] == instance_id)

    def take_back(self, student: str) -> str:
        """Let AWS take a student's host back, and answer which it was."""
        instance_id = str(self.host(student)["InstanceId"])
        sandbox.interrupt_spot(instance_id, seconds=0, directory=self.folder)
        wait(lambda: self.requests()[instance_id] == "disabled")
        return instance_id

    def requests(self) -> dict[str, str]:
        """The requests that still launch or start something: their states, by instance."""
        rows = self.aws.describe_spot_instance_requests(Filters=LASTING)["SpotInstanceRequests"]
        return {row["InstanceId"]: row["State"] for row in rows}

    def home(self, name: str) -> tuple[str, str]:
        """The volume with the homes of a host, and the instance that has it."""
        by = [{"Name": "tag:dstk:homes", "Values": [name]}]
        [row] = self.aws.describe_volumes(Filters=by)["Volumes"]
        return row["VolumeId"], row["Attachments"][0]["InstanceId"] if row["Attachments"] else ""

    def end(self) -> None:
        """End the deployment as `destroy` does, homes included."""
        ends = load_packed("module_utils/dstk_ends")

        params = {"timeout": 30, "delete_data": True, "final_backup": False}
        ends.ensure_absent(SimpleNamespace(check_mode=False, params=params), self.fleet)

    def release(self, *students: str) -> list[str]:
        """Take the seats of students, and answer which hosts ended."""
        ends = load_packed("module_utils/dstk_ends")
        module = SimpleNamespace(check_mode=False, params={"timeout": 30, "students": list(students)})
        ended: list[str] = ends.ensure_released(module, self.fleet)["instance_ids"]
        return ended


def wait(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.2)
