"""A whole life of a deployment, against an API that boots nothing: every call that dstk makes is made in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from support.environment import BIN, ROOT
from support.place import DEPLOYMENT, OURS, REGION, Place

ANYWHERE = "0.0.0.0/0"


def live(place: Place, environment: dict[str, str], file: Path) -> None:
    """Check, plan, provision, mend, look, extend, resize, back up, restore, prune, destroy.

    Args:
        place: the sandbox; its client disturbs what then has to be mended.
        environment: of who runs dstk.
        file: the dstk.yml.
    """
    life = Life(place, environment, file)
    life.check()
    life.provision()
    life.disturb()
    life.provision("-e", "dstk_home_volume_size=100")
    life.look()
    life.extend()
    life.resize()
    life.keep()
    life.prune()
    life.destroy()


def write_request(file: Path, **keys: Any) -> None:
    """Write a dstk.yml with two students who share a host."""
    document = {"deployment": DEPLOYMENT, "region": REGION, "students": ["ada", "bob"], "placement": "shared"}
    file.write_text(json.dumps({**document, "instance_type": "m7i.large", **keys}))


def make_zone(place: Place, domain: str) -> tuple[Any, str]:
    """Return a client of Route 53, and the id of a new public zone in which somebody else has a name."""
    route53 = place.make_client("route53")
    zone = route53.create_hosted_zone(Name=domain, CallerReference=domain)["HostedZone"]["Id"]
    record = {"Name": f"www.{domain}", "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    return route53, zone


def find_names(route53: Any, zone: str) -> dict[str, str]:
    """Return the A records of a zone."""
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {item["Name"]: item["ResourceRecords"][0]["Value"] for item in found if item["Type"] == "A"}


def make_user(place: Place, policy: dict[str, Any], name: str) -> dict[str, str]:
    """Return the environment of a user of IAM who may do what a policy allows, and no more."""
    iam = place.make_client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="dstk", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    given = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    return {**place.environment, **given}


class Life:
    """The steps, each as the user takes it or, where it would wait for a host, as its playbook does."""

    def __init__(self, place: Place, environment: dict[str, str], file: Path) -> None:
        self.place = place
        self.environment = environment
        self.file = file

    def check(self) -> None:
        checks = self._dstk("doctor")["checks"]
        wrong = [check for check in checks if check["name"] in ("credentials", "region", "permissions", "vpc")]
        assert {check["status"] for check in wrong} == {"ok"}, wrong
        assert self._dstk("cost")["bills"]
        plan = self._dstk("plan")
        assert plan["changes"], plan

    def provision(self, *more: str) -> None:
        self._run("ansible-playbook", *self._words("provision"), *more)

    def try_to_provision(self) -> tuple[int, str]:
        """Return the exit code, and what was said."""
        done = self._start("ansible-playbook", *self._words("provision"))
        return done.returncode, done.stdout

    def disturb(self) -> None:
        """Stop the host, take a seat and its homes from it, lead its network astray, and leave a volume behind."""
        client = self.place.client
        host = self.place.instances()[0]
        self._run("ansible-playbook", "playbooks/stop.yml", "-e", f"dstk_config={self.file}")
        client.delete_tags(Resources=[host["InstanceId"]], Tags=[{"Key": "dstk:seat:02"}])
        mappings = self.place.instances()[0]["BlockDeviceMappings"]
        homes = next(mapping for mapping in mappings if mapping["DeviceName"] == "/dev/sdf")
        client.detach_volume(VolumeId=homes["Ebs"]["VolumeId"])
        table = client.describe_route_tables(Filters=OURS)["RouteTables"][0]["RouteTableId"]
        other = client.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        client.replace_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId=other)
        tags = [{"ResourceType": "volume", "Tags": [{"Key": "dstk:deployment", "Value": DEPLOYMENT}]}]
        zone = host["Placement"]["AvailabilityZone"]
        client.create_volume(AvailabilityZone=zone, Size=1, TagSpecifications=tags)

    def look(self) -> None:
        """Read the inventory, and what carries the tag; the hosts themselves do not answer here."""
        self._run("ansible-inventory", "--list", "-e", f"dstk_config={self.file}")
        assert self._dstk("status")["deployment"] == DEPLOYMENT

    def extend(self) -> None:
        assert self._dstk("extend", "--by", "7d", "--yes")["until"]

    def resize(self) -> None:
        """Give the host another type, as resize.yml does where the hosts answer."""
        given = {"deployment": DEPLOYMENT, "region": REGION, "state": "resized", "instance_type": "m7i.xlarge"}
        self._run("ansible", "localhost", "-m", "dstk_hosts", "-a", json.dumps(given))
        assert [host["InstanceType"] for host in self.place.instances()] == ["m7i.xlarge"]

    def keep(self) -> None:
        """Back homes up twice, of which one backup stays, and make a volume of it."""
        tags = {"dstk:deployment": DEPLOYMENT, "dstk:homes": "eve"}
        labels = [{"Key": key, "Value": value} for key, value in tags.items()]
        host = self.place.instances()[0]
        made = self.place.client.create_volume(
            AvailabilityZone=host["Placement"]["AvailabilityZone"],
            Size=1,
            TagSpecifications=[{"ResourceType": "volume", "Tags": labels}],
        )["VolumeId"]
        self.place.client.get_waiter("volume_available").wait(VolumeIds=[made], WaiterConfig={"Delay": 1})
        self.place.client.attach_volume(VolumeId=made, InstanceId=host["InstanceId"], Device="/dev/sdg")
        for _ in range(2):
            assert self._dstk("backup", "--keep", "1")["ok"]
        self._run("ansible-playbook", "playbooks/restore.yml", "-e", f"dstk_config={self.file}")

    def prune(self) -> None:
        """Free a seat of a host that others sit on, and its name, as prune.yml does where the hosts answer."""
        given = {"deployment": DEPLOYMENT, "region": REGION, "state": "released", "students": ["bob"]}
        self._run("ansible", "localhost", "-m", "dstk_hosts", "-a", json.dumps(given))
        given["domain"] = json.loads(self.file.read_text())["domain"]
        self._run("ansible", "localhost", "-m", "dstk_names", "-a", json.dumps(given))

    def destroy(self) -> None:
        receipt = self._dstk("destroy", "--yes", "--delete-data")
        assert receipt["ok"], receipt
        assert set(self.place.count().values()) == {0}

    def _words(self, playbook: str) -> list[str]:
        port = f"ec2_instance_ssh_port={self.place.ssh_port}"
        return [f"playbooks/{playbook}.yml", "-e", port, "-e", f"dstk_config={self.file}"]

    def _dstk(self, *words: str) -> Any:
        return json.loads(self._start("dstk", *words, "--json", "--config", str(self.file)).stdout)

    def _run(self, program: str, *words: str) -> None:
        done = self._start(program, *words)
        assert done.returncode == 0, done.stdout + done.stderr

    def _start(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / program), *words]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300)
