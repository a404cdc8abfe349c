"""`dstk up` killed at every stage and run again; replies lost; requests throttled: one of each at the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.environment import BIN
from support.user import UNBAKED, Api, User

OPTIONS = ("--sandbox", "--deployment", "cut")
#: The calls that make something, in the order in which a first run makes them.
MAKING = (
    "ImportKeyPair",
    "CreateVpc",
    "CreateInternetGateway",
    "AttachInternetGateway",
    "CreateSubnet",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "RunInstances",
)
#: Tasks of the host's side before whose end the run is killed, by what their progress lines say.
CONFIGURING = ("Docker Engine is installed", "image is pulled", "notebooks that waited for an image run")
#: What one notebook needs, and no more; a subnet stands in each zone that offers the type.
ONE_OF_EACH = {
    "instance": 1,
    "volume": 1,
    "key pair": 1,
    "security group": 1,
    "route table": 1,
    "internet gateway": 1,
    "vpc": 1,
}


@pytest.fixture
def ada(user: User) -> Iterator[User]:
    """Whose hosts get all that they need, whatever was baked; nothing of the deployment is there before or after."""
    ada = replace(user, environment=user.environment | UNBAKED)
    yield ada
    ada.dstk("destroy", "--yes", *OPTIONS)


def counts(api: Api) -> dict[str, int]:
    """How many of each kind carry the tag, subnets apart: their number is the region's."""
    return {kind: number for kind, number in api.left("cut").items() if kind != "subnet"}


def start(user: User) -> subprocess.Popen[str]:
    """`dstk up` in the background, in a session of its own."""
    unheard = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return user.start(str(BIN / "dstk"), "up", "--yes", *OPTIONS, start_new_session=True, **unheard)


def kill_when(user: User, happened: Callable[[], bool], *, timeout: float = 300) -> bool:
    """Start `dstk up` and SIGKILL it, alone, as soon as something happened; say whether it had to be killed.

    Whatever it had started must end by itself: a process that went on would race with the next run.
    """
    run = start(user)
    deadline = time.monotonic() + timeout
    while run.poll() is None and not happened():
        assert time.monotonic() < deadline, "neither happened nor ended"
        time.sleep(0.02)
    killed = run.poll() is None
    if killed:
        run.send_signal(signal.SIGKILL)
        run.wait()
    wait_for_session_to_end(run.pid)
    return killed


def wait_for_session_to_end(session: int, *, timeout: float = 30) -> None:
    """Until no process of the session is left, those that wait to be reaped apart."""
    deadline = time.monotonic() + timeout
    while left := [pid for pid in find_pids() if lives_in(pid, session)]:
        assert time.monotonic() < deadline, f"still running after the kill: {left}"
        time.sleep(0.1)


def find_pids() -> list[int]:
    """Every process of this machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def lives_in(pid: int, session: int) -> bool:
    """Whether a process that is no zombie belongs to a session."""
    try:
        state, _parent, _group, its_session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(its_session) == session and state != "Z"


def task_begun(user: User, name: str) -> Callable[[], bool]:
    """Whether a task whose name holds these words has begun in a log newer than now."""
    logs = Path(user.environment["HOME"], ".local/share/dstk/cut/logs")
    old = set(logs.glob("*-up.log"))

    def begun() -> bool:
        new = set(logs.glob("*-up.log")) - old
        return any(re.search(rf"TASK \[.*{re.escape(name)}", log.read_text(errors="replace")) for log in new)

    return begun


def test_killed_at_every_stage_with_a_reply_lost_and_run_again_makes_one_of_each(ada: User, api: Api) -> None:
    killed = []
    ada.dstk("sandbox", "status")
    for action in MAKING:
        # the run waits here, so that it is killed with all made that comes before, and nothing that comes after
        api.inject(action=action, fault="throttle", count=None)
        made = api.calls(action)
        if kill_when(ada, lambda action=action, made=made: api.calls(action) > made):  # type: ignore[misc]
            killed.append(action)
        api.clear_faults()
    # the instance comes, and the word of it does not
    api.inject(action="RunInstances", fault="reply-lost", count=1)
    api.inject(action="DescribeInstances", fault="throttle", count=2)
    for name in CONFIGURING:
        if kill_when(ada, task_begun(ada, name)):
            killed.append(name)
    assert killed == [*MAKING, *CONFIGURING]
    assert api.faults() == []
    document = ada.document("up", "--yes", *OPTIONS)
    assert [notebook["state"] for notebook in document["notebooks"]] == ["ready"]
    assert counts(api) == ONE_OF_EACH


def test_ctrl_c_says_how_to_go_on_and_exits_130(ada: User, api: Api) -> None:
    made = api.calls("CreateVpc")
    # a run in the background, as CI's may be, would inherit that Ctrl-C is ignored
    words = ("env", "--default-signal=INT", str(BIN / "dstk"), "up", "--yes", *OPTIONS)
    run = ada.start(*words, start_new_session=True)
    while api.calls("CreateVpc") == made:
        assert run.poll() is None
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "dstk up" in told
    assert "Traceback" not in told
    wait_for_session_to_end(run.pid)
