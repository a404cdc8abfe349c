from __future__ import annotations

from typing import Any

import pytest
from botocore.model import StructureShape
from botocore.parsers import create_parser
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from dstk_runner.sandbox.wire import Call, Refusal, parse_call, refusal_response


def authorization(service: str, region: str = "us-west-2") -> Headers:
    scope = f"AKIDEXAMPLE/20261101/{region}/{service}/aws4_request"
    return Headers({"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"})


def read_error(call: Call, refusal: Refusal) -> dict[str, Any]:
    """Return the error as botocore reads it."""
    response = refusal_response(call, refusal)
    answer = {"status_code": response.status_code, "headers": dict(response.headers), "body": response.get_data()}
    return dict(
        create_parser(call.protocol).parse(answer, StructureShape("Answer", {"type": "structure", "members": {}}))
    )


def test_a_call_of_ec2_is_read_from_its_form() -> None:
    form = {"Action": "DescribeVpcs", "Version": "2016-11-15", "VpcId.1": "vpc-1"}
    call = parse_call(EnvironBuilder(method="POST", headers=authorization("ec2"), data=form).get_environ())
    assert (call.service, call.region, call.action, call.protocol) == ("ec2", "us-west-2", "DescribeVpcs", "ec2")
    assert (call.access_key_id, call.params["VpcId.1"]) == ("AKIDEXAMPLE", "vpc-1")


def test_the_body_can_be_read_again() -> None:
    environ = EnvironBuilder(method="POST", data={"Action": "DescribeVpcs"}).get_environ()
    parse_call(environ)
    assert environ["wsgi.input"].read() == b"Action=DescribeVpcs"


def test_an_unsigned_call_has_no_key() -> None:
    form = {"Action": "DescribeVpcs", "Version": "2016-11-15"}
    call = parse_call(EnvironBuilder(method="POST", data=form).get_environ())
    assert (call.service, call.access_key_id) == ("ec2", None)


def test_a_call_in_json_names_its_action_in_a_header() -> None:
    headers = authorization("servicequotas")
    headers["X-Amz-Target"] = "ServiceQuotasV20190624.GetServiceQuota"
    environ = EnvironBuilder(method="POST", headers=headers, data=b'{"ServiceCode": "ec2"}').get_environ()
    call = parse_call(environ)
    assert (call.action, call.protocol, call.params["ServiceCode"]) == ("GetServiceQuota", "json", "ec2")


def test_a_call_that_is_no_json_has_no_parameters() -> None:
    headers = authorization("servicequotas")
    headers["X-Amz-Target"] = "ServiceQuotasV20190624.GetServiceQuota"
    assert parse_call(EnvironBuilder(method="POST", headers=headers, data=b"{").get_environ()).params == {}


@pytest.mark.parametrize(
    ("method", "path", "service", "action"),
    [
        ("GET", "/bucket/key", "s3", "GetObject"),
        ("PUT", "/bucket?encryption", "s3", "PutBucketEncryption"),
        ("PUT", "/bucket", "s3", "CreateBucket"),
        ("GET", "/2013-04-01/hostedzone/Z1/rrset?type=A", "route53", "ListResourceRecordSets"),
        ("POST", "/2013-04-01/hostedzone/Z1/rrset/", "route53", "ChangeResourceRecordSets"),
        ("GET", "/nothing/known", "polly", "GET /nothing/known"),
    ],
)
def test_a_call_that_names_no_operation_is_known_by_its_form(method: str, path: str, service: str, action: str) -> None:
    call = parse_call(EnvironBuilder(path, method=method, headers=authorization(service)).get_environ())
    assert (call.action, call.protocol) == (action, "rest")


def test_lists_are_in_the_order_of_their_numbers() -> None:
    params = {f"InstanceId.{number}": f"i-{number}" for number in (10, 2, 1)}
    call = Call("ec2", "us-west-2", "DescribeInstances", "ec2", None, params)
    assert call.find_list("InstanceId") == ["i-1", "i-2", "i-10"]


def test_ec2_is_refused_in_its_own_form() -> None:
    call = Call("ec2", "us-west-2", "RunInstances", "ec2", None)
    answer = read_error(call, Refusal("RequestLimitExceeded", "a < b", status=503))
    assert (answer["Error"]["Code"], answer["Error"]["Message"]) == ("RequestLimitExceeded", "a < b")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_older_services_are_refused_in_theirs() -> None:
    call = Call("sts", "us-west-2", "GetCallerIdentity", "query", None)
    assert read_error(call, Refusal("ExpiredToken", "expired", status=403))["Error"]["Code"] == "ExpiredToken"


def test_newer_services_are_refused_in_json() -> None:
    call = Call("servicequotas", "us-west-2", "GetServiceQuota", "json", None)
    assert read_error(call, Refusal("NoSuchResourceException", "none"))["Error"]["Code"] == "NoSuchResourceException"
