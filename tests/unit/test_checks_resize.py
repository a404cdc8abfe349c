from __future__ import annotations

from collections.abc import Iterator

import pytest

from dstk_runner.aws import make_client
from dstk_runner.checks_class import check_class
from dstk_runner.checks_resize import check_resize
from dstk_runner.config import load_config
from dstk_runner.results import Check

pytestmark = pytest.mark.usefixtures("account")

REGION = "eu-west-2"
WANTED = {"deployment": "csx450", "region": REGION, "students": ["ada", "ben"], "instance_type": "t3.large"}


@pytest.fixture
def host(account: None) -> Iterator[str]:
    """The host of a student."""
    client = make_client("ec2", REGION)
    x86 = [{"Name": "architecture", "Values": ["x86_64"]}]
    image = client.describe_images(Owners=["099720109477"], Filters=x86)["Images"][0]["ImageId"]
    tags = {"dstk:deployment": "csx450", "dstk:seat:01": "ada"}
    labels = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
    launch = {"ImageId": image, "InstanceType": "t3.large", "MinCount": 1, "MaxCount": 1}
    made = client.run_instances(**launch, TagSpecifications=labels)["Instances"][0]["InstanceId"]
    yield made
    client.terminate_instances(InstanceIds=[made])


def ask(name: str, **more: object) -> Check:
    [check] = check_resize(load_config({**WANTED}, overrides=more), name)
    return check


@pytest.mark.parametrize(("name", "said"), [("t9.huge", "offers no"), ("t4g.large", "machine of x86_64")])
def test_a_type_that_cannot_be_is_a_wrong_request(host: str, name: str, said: str) -> None:
    check = ask(name)
    assert host
    assert (check.status, check.request, said in check.message) == ("fail", True, True)


def test_a_type_beyond_the_quota_is_refused_and_one_within_it_is_not(host: str) -> None:
    assert host
    assert [ask("m7i.48xlarge").status, ask("m7i.large").status] == ["fail", "ok"]


def test_who_is_not_named_does_not_count(host: str) -> None:
    assert host
    assert ask("m7i.48xlarge", limit=["ben"]).status == "ok"


def test_hosts_of_another_type_than_the_files_are_told(host: str) -> None:
    config = load_config({**WANTED, "instance_type": "m7i.large"})
    found = check_class(make_client("ec2", REGION), make_client("service-quotas", REGION), config)
    [told] = [check for check in found if check.name == "type"]
    assert host
    assert (told.status, "t3.large" in told.message, "dstk resize --type m7i.large" in told.fix) == ("warn", True, True)
