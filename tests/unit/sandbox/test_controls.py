from __future__ import annotations

from collections.abc import Iterator

import pytest
from werkzeug.test import Client

from dstk_runner.sandbox import quotas
from dstk_runner.sandbox.clockwork import Clockwork
from dstk_runner.sandbox.controls import control
from dstk_runner.sandbox.ec2 import SandboxEC2
from dstk_runner.sandbox.front import Front
from dstk_runner.sandbox.market import Market
from dstk_runner.sandbox.state import SandboxState

STATE = SandboxState(1, 7700, "api", "2026-11-01T00:00:00+00:00", "AKIA", "secret")
HERE = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def client(backend: SandboxEC2) -> Iterator[Client]:
    front = Front({})
    yield Client(control(front, STATE, Clockwork(front.lock, STATE), Market(front.lock)))
    quotas.granted.clear()


def test_only_this_machine_may_ask(client: Client) -> None:
    assert client.get("/_dstk/status", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 403


def test_the_address_is_the_callers(client: Client) -> None:
    assert client.get("/_dstk/address", environ_base={"REMOTE_ADDR": "127.0.0.9"}).text == "127.0.0.9\n"


def test_the_status_tells_no_secret(client: Client) -> None:
    assert "secret" not in client.get("/_dstk/status", environ_base=HERE).text


def test_faults_can_be_put_listed_and_taken_away(client: Client) -> None:
    fault = {"action": "RunInstances", "fault": "throttle", "count": 2, "zone": None}
    client.post("/_dstk/faults", json=fault, environ_base=HERE)
    assert client.get("/_dstk/faults", environ_base=HERE).json == [fault]
    client.delete("/_dstk/faults", environ_base=HERE)
    assert client.get("/_dstk/faults", environ_base=HERE).json == []


@pytest.mark.parametrize("body", ["", "[]", "{", '{"fault": "earthquake"}', '"throttle"'])
def test_what_is_no_fault_is_a_bad_request(client: Client, body: str) -> None:
    assert client.post("/_dstk/faults", data=body, environ_base=HERE).status_code == 400


def test_quotas_can_be_set(client: Client) -> None:
    client.post("/_dstk/quotas", json={"L-1216C47A": 5}, environ_base=HERE)
    answer = client.get("/_dstk/quotas", environ_base=HERE).json
    assert answer is not None
    assert answer["L-1216C47A"] == 5


def test_an_unknown_quota_is_a_bad_request(client: Client) -> None:
    assert client.post("/_dstk/quotas", json={"L-0": 5}, environ_base=HERE).status_code == 400


@pytest.mark.parametrize("told", [{"budget": "nobody", "usd": 1}, {"budget": "nobody", "usd": -1}, {"usd": 1}, []])
def test_what_is_spent_of_no_budget_is_a_bad_request(client: Client, told: object) -> None:
    assert client.post("/_dstk/spent", json=told, environ_base=HERE).status_code == 400
    assert client.get("/_dstk/notifications", environ_base=HERE).json == []


def test_what_is_not_there_is_not_found(client: Client) -> None:
    assert client.get("/_dstk/nothing", environ_base=HERE).status_code == 404
