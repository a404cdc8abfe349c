"""A spot host that AWS takes back: what is written stays, and the next `up` brings the student back on another one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from dstk_runner import sandbox
from support.classroom import in_notebook, log_in
from support.user import Api, User

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


@pytest.mark.timeout(1800)  # a life with two hosts, on a machine that may have other work
def test_who_is_interrupted_comes_back_with_all_files(ada: User, api: Api) -> None:
    [notebook] = ada.document("up", "--yes")["notebooks"]
    lost = notebook["instance_id"]
    in_notebook(notebook, "sh", "-c", "echo mine > proof")

    sandbox.interrupt_spot(lost, seconds=NOTICE_SECONDS, directory=ada.environment["DSTK_SANDBOX_DIR"])
    deadline = time.monotonic() + 180
    while find_requests(api) != {lost: "disabled"}:
        assert time.monotonic() < deadline, "AWS has not taken the host back"
        time.sleep(1)
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
