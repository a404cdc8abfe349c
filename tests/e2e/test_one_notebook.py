"""The whole of the main job: nothing, a notebook, nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import browser
from support.classroom import log_in, visit
from support.environment import BIN, ROOT
from support.idling import TIMEOUT, WARNING, Idling, wait_for_stop, watch_it_stop
from support.solo import OPTIONS, Solo
from support.user import Api, User

#: What tells of a notebook's use, and is another from moment to moment.
USE = ("last_activity", "memory_used", "memory_limit", "disk_used", "disk_free")

BROKEN = "quay.io/jupyter/datascience-notebook:broken"
ASKING = (*OPTIONS, "--notebook-image", BROKEN)


@pytest.fixture(scope="module")
def deployed(solo: Solo) -> dict[str, Any]:
    """The document of a first `dstk up`."""
    return solo.document


@pytest.fixture
def key_of_another(api: Api) -> Iterator[str]:
    """The id of a key pair that somebody else has in the same account."""
    made: str = api.client().create_key_pair(KeyName="somebody-elses")["KeyPairId"]
    yield made
    api.client().delete_key_pair(KeyPairId=made)


def test_up_prints_the_document_of_the_design(deployed: dict[str, Any]) -> None:
    assert {key: deployed[key] for key in ("deployment", "region", "ok", "failures")} == {
        "deployment": "solo",
        "region": "us-west-2",
        "ok": True,
        "failures": [],
    }
    [notebook] = deployed["notebooks"]
    assert set(notebook) == {
        *("student", "url", "password", "instance_id", "address", "state", "container", "seat", "image"),
        *USE,
    }
    assert notebook["student"] == "ada"
    assert notebook["state"] == "ready"
    assert notebook["container"] == "dstk-ada"
    assert re.fullmatch(r"i-[0-9a-f]{8,17}", notebook["instance_id"])
    assert re.fullmatch(r"127\.77\.\d+\.\d+", notebook["address"])
    assert notebook["address"] in notebook["url"]
    assert len(notebook["password"]) >= 16
    assert notebook["password"] not in notebook["url"]
    # the host knows its notebooks at the end of a run, whenever its timer looked
    assert "ada" in deployed["idle"][0]["why"]


def test_a_browser_logs_in_and_plots(deployed: dict[str, Any]) -> None:
    [notebook] = deployed["notebooks"]
    with browser.page(deployed["tls"]) as page:
        browser.log_in(page, notebook["url"], notebook["password"])
        width, height = browser.run_plot(page)
    assert width > 100
    assert height > 100


def test_without_the_password_nothing_is_served(deployed: dict[str, Any]) -> None:
    [notebook] = deployed["notebooks"]
    assert visit(notebook["url"], deployed["tls"]).read("api/contents") == 403


def test_the_authority_is_named_with_its_sum(deployed: dict[str, Any]) -> None:
    tls = deployed["tls"]
    assert tls["mode"] == "private"
    assert tls["sha256"] == hashlib.sha256(Path(tls["ca_file"]).read_bytes()).hexdigest()


def test_a_laptop_that_knows_nothing_gets_the_authority_from_the_host(deployed: dict[str, Any], user: User) -> None:
    ca_file = Path(deployed["tls"]["ca_file"])
    text = ca_file.read_text()
    ca_file.unlink()
    assert user.document("status", *OPTIONS)["tls"] == deployed["tls"]
    assert ca_file.read_text() == text


def test_the_instance_is_as_the_file_asks(deployed: dict[str, Any], api: Api) -> None:
    [instance] = api.tagged("solo")["instance"]
    assert instance["InstanceType"] == "t2.micro"
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    volumes = {volume["VolumeId"]: volume for volume in api.tagged("solo")["volume"]}
    disks = {item["Ebs"]["VolumeId"]: item["Ebs"]["DeleteOnTermination"] for item in instance["BlockDeviceMappings"]}
    # the root disk goes with its host, the homes stay
    assert {(volumes[key]["Size"], ends) for key, ends in disks.items()} == {(30, True), (10, False)}
    assert {(volume["VolumeType"], volume["Encrypted"]) for volume in volumes.values()} == {("gp3", True)}


def test_a_host_that_nobody_had_set_up_would_have_stopped(deployed: dict[str, Any], user: User, api: Api) -> None:
    instance = deployed["notebooks"][0]["instance_id"]
    told = api.client().describe_instance_attribute(InstanceId=instance, Attribute="userData")["UserData"]["Value"]
    assert "OnActiveSec=7200\n" in base64.b64decode(told).decode()
    asked = ("systemctl", "show", "--property=ActiveState,UnitFileState", "--value", "dstk-forgotten.timer")
    assert user.dstk("ssh", *OPTIONS, "--", *asked).stdout.split() == ["active", "enabled"]


def test_only_the_caller_may_come_in(deployed: dict[str, Any], api: Api) -> None:
    [group] = api.tagged("solo")["security group"]
    allowed = {(rule["FromPort"], ranges["CidrIp"]) for rule in group["IpPermissions"] for ranges in rule["IpRanges"]}
    assert allowed == {(22, "127.0.0.1/32"), (443, "127.0.0.1/32")}


def test_the_home_is_the_notebook_users_and_not_the_login_home(deployed: dict[str, Any], user: User) -> None:
    seen = user.dstk("ssh", *OPTIONS, "--", "sudo", "stat", "-c", "%u:%g", "/srv/dstk/ada/home").stdout
    assert seen.strip() == "701000:700100"
    mounts = user.dstk(
        "ssh", *OPTIONS, "--", "docker", "inspect", "-f", "'{{json .HostConfig.Binds}}'", "dstk-ada"
    ).stdout
    assert "/home/ubuntu" not in mounts


def test_status_says_the_same_without_changing_anything(deployed: dict[str, Any], user: User) -> None:
    assert still(user.document("status", *OPTIONS)) == still(deployed)


def test_a_second_up_changes_nothing(deployed: dict[str, Any], user: User, api: Api) -> None:
    before = api.tagged("solo")
    again = user.dstk("up", "--yes", *OPTIONS, "--json")
    assert api.tagged("solo") == before
    log = newest_log(user, "up").read_text()
    recap = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", log, flags=re.MULTILINE)
    assert recap, log[-2000:]
    assert {host: changed for host, changed in recap if changed != "0"} == {}
    assert again.returncode == 0


def test_plain_ansible_finds_the_same_deployment(deployed: dict[str, Any], user: User, api: Api) -> None:
    engineer = User(ROOT, user.environment | api.environment)
    done = engineer.shell(str(BIN / "ansible-playbook"), "site.yml", "-e", "dstk_deployment=solo", "-e", "dstk_config=")
    [notebook] = deployed["notebooks"]
    assert notebook["url"] in done.stdout
    recap = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", done.stdout, flags=re.MULTILINE)
    assert {host for host, _ in recap} == {"localhost", notebook["instance_id"]}
    assert {host: changed for host, changed in recap if changed != "0"} == {}


def test_a_second_run_at_the_same_time_was_refused(solo: Solo, api: Api) -> None:
    said = solo.refusal.stdout + solo.refusal.stderr
    assert (solo.refusal.returncode, "Traceback" in said) == (1, False)
    assert "dstk up" in said
    assert len(api.tagged("solo")["instance"]) == 1


@pytest.fixture(scope="module")
def stopped(user: User, deployed: dict[str, Any]) -> dict[str, Any]:
    """The document of `dstk stop`, with a file in the home that is written before."""
    user.dstk("run", *OPTIONS, "--", "echo mine > proof; sync")
    return user.document("stop", "--yes", *OPTIONS)


@pytest.fixture(scope="module")
def restarted(user: User, api: Api, stopped: dict[str, Any]) -> dict[str, Any]:
    """What is there after an engineer has started it as another type, with plain Ansible."""
    engineer = User(ROOT, user.environment | api.environment)
    wanted = ("-e", "dstk_deployment=solo", "-e", "dstk_config=", "-e", "dstk_type=t3.medium")
    engineer.shell(str(BIN / "ansible-playbook"), "playbooks/resize.yml", *wanted)
    return user.document("status", *OPTIONS)


def test_a_stopped_notebook_is_told_as_stopped(stopped: dict[str, Any], user: User, api: Api) -> None:
    [instance] = api.tagged("solo")["instance"]
    assert instance["State"]["Name"] == "stopped"
    [told], [seen] = stopped["notebooks"], user.document("status", *OPTIONS)["notebooks"]
    # there is no link until it has an address again
    assert (told["state"], told["url"], told["address"]) == ("stopped", "", "")
    assert still({"notebooks": [seen]}) == still({"notebooks": [told]})


def test_after_a_start_the_old_password_opens_the_new_link(restarted: dict[str, Any], deployed: dict[str, Any]) -> None:
    [before], [after] = deployed["notebooks"], restarted["notebooks"]
    assert before["address"] != after["address"]
    assert after["address"] in after["url"]
    assert log_in({**after, "password": before["password"]}, restarted["tls"]).read("api/contents") == 200


def test_what_was_in_the_notebook_is_there_after_a_start(restarted: dict[str, Any], user: User) -> None:
    done = user.dstk("run", *OPTIONS, "--json", "--", "cat proof")
    assert [row["stdout"] for row in json.loads(done.stdout)["answers"]] == ["mine\n"]


def test_a_type_stays_and_what_cannot_be_is_a_wrong_request(restarted: dict[str, Any], user: User, api: Api) -> None:
    assert restarted["ok"]
    refusal = user.dstk("resize", "--type", "t4g.medium", "--yes", *OPTIONS, check=False)
    [instance] = api.tagged("solo")["instance"]
    assert (refusal.returncode, "machine of x86_64" in refusal.stderr) == (2, True), refusal.stderr
    assert (instance["InstanceType"], instance["State"]["Name"]) == ("t3.medium", "running")


@pytest.fixture(scope="module")
def refused(user: User, restarted: dict[str, Any]) -> dict[str, Any]:
    """The document of `dstk upgrade` to an image of which JupyterLab never comes."""
    [notebook] = restarted["notebooks"]
    recipe = f'FROM {notebook["image"]}\\nENTRYPOINT []\\nCMD ["sleep", "infinity"]\\n'
    user.dstk("ssh", *OPTIONS, "--", f"printf '{recipe}' | docker build --quiet --tag {BROKEN} -")
    done = user.dstk("upgrade", "--wait", "15", "--yes", *ASKING, "--json", check=False)
    assert done.returncode == 1, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_an_image_that_never_gets_healthy_gives_way_to_the_old_one(
    refused: dict[str, Any], restarted: dict[str, Any], user: User
) -> None:
    [before], [after], [failure] = restarted["notebooks"], refused["notebooks"], refused["failures"]
    assert [after[key] for key in ("state", "image", "url")] == [before[key] for key in ("state", "image", "url")]
    assert (failure["student"], BROKEN in failure["message"]) == ("ada", True)
    assert user.dstk("ssh", *OPTIONS, "--", "docker ps -a --format '{{.Names}}'").stdout.split() == ["dstk-ada"]


def test_the_next_up_does_not_try_it_again(refused: dict[str, Any], user: User) -> None:
    again = user.document("up", "--yes", *ASKING)
    assert [(row["state"], row["image"]) for row in again["notebooks"]] == [("ready", refused["notebooks"][0]["image"])]


@pytest.fixture(scope="module")
def ended(restarted: dict[str, Any], user: User, api: Api) -> Iterator[Idling]:
    """The notebook with two kernels, one busy and one idle, on a host that stops within half a minute."""
    with watch_it_stop(User(ROOT, user.environment | api.environment), user, restarted) as idling:
        yield idling


def test_a_busy_kernel_keeps_the_host_up_and_status_says_so(ended: Idling) -> None:
    assert ended.busy["state"] == "busy"
    assert "a kernel is busy" in ended.busy["why"]["ada"]


def test_an_idle_kernel_is_culled_and_a_busy_one_is_not(ended: Idling) -> None:
    assert (len(ended.kernels), len(ended.left)) == (2, 1)


def test_who_is_logged_in_sees_the_end_coming_and_more_time_puts_it_off(ended: Idling) -> None:
    assert "this machine stops" in ended.notice
    assert ended.put_off > TIMEOUT - WARNING - 1


def test_a_host_that_shut_itself_down_is_stopped_and_status_says_so(ended: Idling, user: User, api: Api) -> None:
    wait_for_stop(api, "solo")
    seen = user.document("status", *OPTIONS)
    assert [row["state"] for row in seen["notebooks"]] == ["stopped"]
    assert "shut itself down" in seen["idle"][0]["why"]["(host)"]


def test_destroy_leaves_nothing_but_what_is_somebody_elses_and_says_so(
    user: User, api: Api, deployed: dict[str, Any], key_of_another: str
) -> None:
    volumes = {row["VolumeId"]: {tag["Key"] for tag in row["Tags"]} for row in api.tagged("solo")["volume"]}
    homes = {key for key, tags in volumes.items() if "dstk:homes" in tags}
    ids = (volumes.keys() - homes) | {deployed["notebooks"][0]["instance_id"]}
    receipt = user.document("destroy", "--yes", *OPTIONS)
    assert receipt["ok"] is True
    assert ids <= {row["id"] for row in receipt["resources"]}
    assert {row["gone"] for row in receipt["resources"]} == {True}
    assert {row["id"] for row in receipt["kept"]} == homes
    assert api.left("solo") == {}
    assert api.client().describe_key_pairs(KeyPairIds=[key_of_another])["KeyPairs"]


def test_destroy_twice_is_fine(user: User, deployed: dict[str, Any]) -> None:
    user.dstk("destroy", "--yes", *OPTIONS)
    receipt = user.document("destroy", "--yes", *OPTIONS)
    assert (receipt["ok"], receipt["resources"]) == (True, [])


def newest_log(user: User, command: str) -> Path:
    """The log of the last run of one command."""
    logs = Path(user.environment["HOME"], ".local/share/dstk/solo/logs")
    return max(logs.glob(f"*-{command}.log"))


def still(document: dict[str, Any]) -> dict[str, Any]:
    """A document without what is another from moment to moment, and what only a run that may launch looks for."""
    books = [{key: value for key, value in book.items() if key not in USE} for book in document["notebooks"]]
    return {**document, "notebooks": books, "idle": [], "image": {}, "budget_spent": None}
