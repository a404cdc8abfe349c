"""A spot host that AWS takes back: what is written stays, and the next `up` brings the student back on another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dstk_runner import sandbox
from support import browser
from support.classroom import in_notebook, log_in, on_host
from support.interrupting import open_unsaved, wait_for_saving
from support.user import Api, User

pytestmark = pytest.mark.usefixtures("baking")

KEYS = """
deployment: spot
target: sandbox
instance_type: t3.small
student: ada
home_size: 1
spot: true
"""
#: Enough for the host's service, which asks every five seconds, and for what it then does.
NOTICE_SECONDS = 30
#: What AWS gives, in which there is time for a page and a question too.
LONG_NOTICE_SECONDS = 120
UNSAVED = "nobody = 'has saved this'"


@pytest.fixture(scope="module")
def ada(user: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Who stands in the folder of the deployment."""
    folder = tmp_path_factory.mktemp("spot")
    (folder / "dstk.yml").write_text(KEYS)
    ada = User(folder, user.environment)
    yield ada
    ada.dstk("destroy", "--yes", "--delete-data", "--no-final-backup")


def find_requests(api: Api) -> dict[str, str]:
    """The requests that still launch or start something: their states, by instance."""
    ours: Any = [
        {"Name": "tag:dstk:deployment", "Values": ["spot"]},
        {"Name": "state", "Values": ["open", "active", "disabled"]},
    ]
    rows = api.client().describe_spot_instance_requests(Filters=ours)["SpotInstanceRequests"]
    return {row["InstanceId"]: row["State"] for row in rows}


def interrupt(ada: User, instance_id: str, seconds: float) -> None:
    """Let AWS take a host back after so many seconds."""
    sandbox.interrupt_spot(instance_id, seconds=seconds, directory=ada.environment["DSTK_SANDBOX_DIR"])


def wait_for(done: Callable[[], bool], *, what: str) -> None:
    """Wait for a fact, for three minutes."""
    deadline = time.monotonic() + 180
    while not done():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(1)


def wait_for_request(api: Api, instance_id: str, state: str) -> None:
    """Wait until the one request of the deployment is in a state."""
    wait_for(lambda: find_requests(api) == {instance_id: state}, what=f"the state {state} of the request")


def read_log(instance_id: str) -> str:
    """What the host's service has done."""
    return on_host(instance_id, "cat", "/var/log/dstk/spot.log", check=False).stdout


def find_running(instance_id: str) -> str:
    """The notebooks that run on a host, none where it does not answer."""
    return on_host(instance_id, "docker", "ps", "--format", "{{.Names}}", check=False).stdout.strip()


@pytest.fixture(scope="module")
def notebook(ada: User) -> dict[str, Any]:
    """The notebook, on a spot host."""
    document = ada.document("up", "--yes")
    return {**document["notebooks"][0], "tls": document["tls"]}


@pytest.mark.timeout(1200)
def test_what_is_open_is_saved_when_a_notice_comes_and_the_notebook_comes_back_with_its_host(
    ada: User, api: Api, notebook: dict[str, Any]
) -> None:
    host = notebook["instance_id"]
    with browser.page(notebook["tls"]) as page:
        browser.log_in(page, notebook["url"], notebook["password"])
        open_unsaved(page, UNSAVED)
        assert UNSAVED not in in_notebook(notebook, "cat", "Untitled.ipynb").stdout
        interrupt(ada, host, LONG_NOTICE_SECONDS)
        assert "AWS takes this machine back" in wait_for_saving(page)
        assert UNSAVED in in_notebook(notebook, "cat", "Untitled.ipynb").stdout
        [idle] = ada.document("status")["idle"]
        assert (idle["state"], "AWS takes this spot instance back" in idle["why"]["(host)"]) == ("interrupted", True)
    # before AWS stops the host, the work is on its volume, and nothing holds that any more
    wait_for(lambda: "stopped dstk-ada, unmounted 2 file systems" in read_log(host), what="the notebook's stop")
    assert "/srv/dstk" not in on_host(host, "cat", "/proc/mounts").stdout
    assert (find_running(host), find_requests(api)) == ("", {host: "active"})
    wait_for_request(api, host, "disabled")
    sandbox.return_capacity(directory=ada.environment["DSTK_SANDBOX_DIR"])
    wait_for_request(api, host, "active")
    wait_for(lambda: find_running(host) == "dstk-ada", what="the notebook's return")
    assert UNSAVED in in_notebook(notebook, "cat", "Untitled.ipynb").stdout


@pytest.mark.timeout(1800)  # a life with two hosts, on a machine that may have other work
def test_who_is_interrupted_comes_back_with_all_files(ada: User, api: Api, notebook: dict[str, Any]) -> None:
    lost = notebook["instance_id"]
    in_notebook(notebook, "sh", "-c", "echo mine > proof")

    interrupt(ada, lost, NOTICE_SECONDS)
    wait_for_request(api, lost, "disabled")
    document = ada.document("status")
    assert [item["state"] for item in document["notebooks"]] == ["stopped"]
    assert "AWS took this spot instance back" in str(document["idle"])

    document = ada.document("up", "--yes")
    [again] = document["notebooks"]
    assert (again["instance_id"] != lost, find_requests(api)) == (True, {again["instance_id"]: "active"})
    assert in_notebook(again, "cat", "proof").stdout == "mine\n"
    assert log_in(again, document["tls"]).read("api/contents/proof") == 200

    assert ada.document("destroy", "--yes")["ok"] is True
    time.sleep(2)  # a request that was forgotten would have launched another by now
    assert (find_requests(api), api.left("spot")) == ({}, {})
