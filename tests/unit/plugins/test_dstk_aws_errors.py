from __future__ import annotations

from types import ModuleType

import pytest

from support.plugins import Load


@pytest.fixture(scope="module")
def errors(load: Load) -> ModuleType:
    return load("module_utils/dstk_aws_errors")


def refusal(code: str, call: str = "RunInstances", text: str = "No.") -> dict[str, object]:
    return {"failed": True, "msg": f"Doing it: An error occurred ({code}) when calling the {call} operation: {text}"}


@pytest.mark.parametrize(
    ("result", "said", "fix"),
    [
        ({"msg": "Instance type t2.micro: Unable to locate credentials"}, "no AWS credentials", "aws configure"),
        ({"msg": "The config profile (class) could not be found"}, "no AWS profile class", "AWS_PROFILE"),
        (
            {"msg": 'Could not connect to the endpoint URL: "https://ec2.us-west-9.aws/"'},
            "us-west-9",
            "region",
        ),
        ({"msg": "Connection was closed before we received a valid response"}, "connection", "run the same command"),
        (refusal("DeleteConflict"), "DeleteConflict", "detach the policies that are not dstk's from the role"),
        (refusal("RequestExpired"), "RequestExpired", "new credentials"),
        (refusal("AuthFailure"), "AuthFailure", "region is not enabled"),
        (refusal("UnauthorizedOperation"), "RunInstances", "administrator"),
        (refusal("VcpuLimitExceeded"), "VcpuLimitExceeded", "L-1216C47A"),
        (refusal("VpcLimitExceeded", "CreateVpc"), "CreateVpc", "L-F678F1CE"),
        (refusal("Unsupported"), "Unsupported", "instance_type"),
        (refusal("InvalidParameterValue", text="Invalid value 'x' for instance type."), "'x'", "instance_type"),
        (refusal("InvalidKey.Format", "ImportKeyPair"), "ImportKeyPair", "ed25519"),
    ],
)
def test_a_known_failure_is_said_with_its_remedy(
    errors: ModuleType, result: dict[str, object], said: str, fix: str
) -> None:
    explanation = errors.explain(result)
    assert said in explanation.message
    assert fix in explanation.fix
    assert str(explanation).splitlines()[-1] == f"Fix: {explanation.fix}"


def test_a_message_that_names_its_remedy_is_kept(errors: ModuleType) -> None:
    assert str(errors.explain({"msg": "it broke\nFix: mend it"})) == "it broke\nFix: mend it"


def test_an_unknown_failure_is_said_without_a_remedy(errors: ModuleType) -> None:
    assert str(errors.explain({"msg": "the moon is full"})) == "the moon is full"


def test_the_failed_part_of_a_loop_is_explained(errors: ModuleType) -> None:
    loop = {"msg": "One or more items failed", "results": [{"changed": True}, refusal("VpcLimitExceeded", "CreateVpc")]}
    assert "CreateVpc" in errors.explain(loop).message


def test_the_encoded_part_of_a_refusal_is_left_out(errors: ModuleType) -> None:
    result = refusal("UnauthorizedOperation", text="You may not. Encoded authorization failure message: f00 ba4")
    assert "f00" not in errors.explain(result).message


def test_the_code_is_found_beside_a_message_that_lacks_it(errors: ModuleType) -> None:
    result = {"msg": "Failed", "error": {"code": "DependencyViolation", "message": "sg-1 has a dependent object"}}
    assert "sg-1 has a dependent object (DependencyViolation)" in errors.explain(result).message
