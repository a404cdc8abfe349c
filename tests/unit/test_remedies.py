from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from dstk_runner.errors import CredentialsError, RunError
from dstk_runner.remedies import explain, find_remedy, parse_message


def test_a_fix_line_is_told_apart() -> None:
    assert parse_message("The disk is full.\nFix: raise volume_size") == ("The disk is full.", "raise volume_size")


def test_a_fix_of_several_lines_stays_whole() -> None:
    assert (
        parse_message("Full.\nFix: raise volume_size,\n  then run it again")[1]
        == "raise volume_size, then run it again"
    )


def test_a_known_text_gets_its_remedy() -> None:
    assert "volume_size" in parse_message("write /var/lib/docker/x: No space left on device")[1]


def test_a_message_without_words_says_so() -> None:
    assert parse_message("\n") == ("it failed without a word", "")


def test_a_long_message_is_cut() -> None:
    assert len(parse_message("x" * 5000)[0]) == 400


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", "aws sso login"),
        ("AuthFailure", "aws configure"),
        ("UnauthorizedOperation", "permission"),
        ("VcpuLimitExceeded", "L-1216C47A"),
        ("VpcLimitExceeded", "vpc_id"),
        ("InsufficientInstanceCapacity", "try again later"),
        ("RequestLimitExceeded", "wait a minute"),
        ("AddressLimitExceeded", "L-0263D0A3"),
    ],
)
def test_each_code_of_aws_has_its_remedy(code: str, words: str) -> None:
    assert words in find_remedy(f"An error occurred ({code}) when calling the RunInstances operation: no")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fatal: Permission denied (publickey).", "ssh_key"),
        ("Host key verification failed.", "known_hosts"),
        ("Bind for 0.0.0.0:8888 failed: port is already allocated", "notebook_port"),
        ("manifest unknown: manifest unknown", "notebook_image"),
        ("ssh: connect to host 203.0.113.7 port 22: Connection timed out", "dstk doctor"),
        ("User: arn:aws:iam::1:user/ada is not authorized to perform: ec2:RunInstances", "permission"),
        ("the subnet has no room (InsufficientFreeAddressesInSubnet)", "vpc_id"),
    ],
)
def test_each_well_known_text_has_its_remedy(text: str, words: str) -> None:
    assert words in find_remedy(text)


def test_a_text_that_nobody_knows_has_none() -> None:
    assert find_remedy("the moon is full (Again)") == ""


def test_missing_credentials_are_a_matter_of_credentials() -> None:
    error = explain(NoCredentialsError())
    assert isinstance(error, CredentialsError)
    assert "aws configure" in error.fix


def test_other_refusals_are_a_matter_of_the_run() -> None:
    refusal = ClientError({"Error": {"Code": "VpcLimitExceeded", "Message": "no"}}, "CreateVpc")
    assert type(explain(refusal)) is RunError
