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
        ("RequestLimitExceeded", "again in a minute"),
    ],
)
def test_each_code_of_aws_has_its_remedy(code: str, words: str) -> None:
    assert words in find_remedy(f"An error occurred ({code}) when calling the RunInstances operation: no")


def test_missing_credentials_are_a_matter_of_credentials() -> None:
    error = explain(NoCredentialsError())
    assert isinstance(error, CredentialsError)
    assert "aws configure" in error.fix


def test_other_refusals_are_a_matter_of_the_run() -> None:
    refusal = ClientError({"Error": {"Code": "VpcLimitExceeded", "Message": "no"}}, "CreateVpc")
    assert type(explain(refusal)) is RunError
