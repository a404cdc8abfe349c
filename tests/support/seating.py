"""A class that gets its hosts from a moto in the test's own process."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from support.plugins import Load


class Place:
    """The module's functions, and a moto of their own to act on."""

    def __init__(self, load: Load, aws: Any) -> None:
        self.aws = aws
        self.classes: ModuleType = load("module_utils/dstk_class")
        self.fleets: ModuleType = load("module_utils/dstk_fleet")
        self.ends: ModuleType = load("module_utils/dstk_ends")
        subnets = aws.describe_subnets()["Subnets"]
        image = aws.describe_images(Owners=["099720109477"])["Images"][0]
        group = aws.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
        aws.create_key_pair(KeyName="csx450")
        self.given: dict[str, Any] = {
            "deployment": "csx450",
            "limit": [],
            "placement": "dedicated",
            "instance_type": "t3.large",
            "instance_types": [],
            **dict.fromkeys(("students_per_host", "notebook_memory", "notebook_cpus"), "auto"),
            "images": {"x86_64": {"image_id": image["ImageId"], "root_device_name": image["RootDeviceName"]}},
            "volume_size": 30,
            "home_volume_size": "auto",
            "subnets": [{"id": item["SubnetId"], "zone": item["AvailabilityZone"]} for item in subnets],
            "security_group_ids": [group],
            "key_name": "csx450",
            "instance_profile": "",
            "user_data": "",
            "spot": False,
            "timeout": 20,
        }

    @property
    def fleet(self) -> Any:
        return self.fleets.Fleet(self.aws, "csx450")

    def ensure(self, *names: str, check_mode: bool = False, **more: Any) -> dict[str, Any]:
        """Seat students; after a slash comes the instance type that one of them wants."""
        parts = [name.partition("/") for name in names]
        rows = [{"student": login, "identity": f"id-{login}", "instance_type": kind} for login, _, kind in parts]
        wishes = self.classes.Wishes.read({**self.given, "students": rows, **more})
        answer: dict[str, Any] = self.classes.ensure_seats(self.fleet, wishes, check_mode=check_mode)
        return answer

    def instances(self) -> list[dict[str, Any]]:
        return [found for page in self.aws.describe_instances()["Reservations"] for found in page["Instances"]]

    def tags(self) -> list[dict[str, str]]:
        return [{tag["Key"]: tag["Value"] for tag in found["Tags"]} for found in self.instances()]


def seats(answer: dict[str, Any]) -> list[list[str]]:
    return [[seat["student"] for seat in host["seats"]] for host in answer["hosts"]]
