from __future__ import annotations

import pytest
from werkzeug.wrappers import Response

from dstk_runner.sandbox.client_tokens import ClientTokens
from dstk_runner.sandbox.wire import Call, Refusal


def call(*, region: str = "us-west-2", action: str = "CreateVolume", **params: str) -> Call:
    return Call("ec2", region, action, "ec2", "AKIA", params)


def test_the_same_call_has_the_same_answer() -> None:
    tokens, answer = ClientTokens(), Response("made")
    tokens.keep_answer(call(ClientToken="t", Size="1"), answer)
    assert tokens.find_answer(call(ClientToken="t", Size="1")) is answer


def test_other_parameters_are_refused() -> None:
    tokens = ClientTokens()
    tokens.keep_answer(call(ClientToken="t", Size="1"), Response("made"))
    with pytest.raises(Refusal) as refused:
        tokens.find_answer(call(ClientToken="t", Size="2"))
    assert refused.value.code == "IdempotentParameterMismatch"


@pytest.mark.parametrize(
    "other",
    [
        call(ClientToken="u", Size="1"),
        call(ClientToken="t", Size="1", region="eu-west-1"),
        call(ClientToken="t", Size="1", action="RunInstances"),
        call(Size="1"),
    ],
)
def test_tokens_are_told_apart_by_value_region_and_action(other: Call) -> None:
    tokens = ClientTokens()
    tokens.keep_answer(call(ClientToken="t", Size="1"), Response("made"))
    assert tokens.find_answer(other) is None


def test_a_refused_call_may_be_tried_again() -> None:
    tokens = ClientTokens()
    tokens.keep_answer(call(ClientToken="t", Size="1"), Response("no", status=400))
    assert tokens.find_answer(call(ClientToken="t", Size="2")) is None
