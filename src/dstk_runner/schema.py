"""What each key of a configuration may hold. pydantic is used here and nowhere else."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

__all__ = ["KEYS", "Problem", "find_nearest", "find_problems"]


@dataclass(frozen=True)
class Problem:
    """What is wrong with the value of one key."""

    key: str
    message: str
    fix: str


def _wrong(message: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError("dstk", "{message}", {"message": message, "fix": fix})


def _matches(pattern: str, message: str, fix: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise _wrong(message.replace("{value}", repr(value)), fix)
        return value

    return AfterValidator(check)


def _check_cidr(value: str) -> str:
    if value == "auto":
        return value
    try:
        ipaddress.IPv4Network(value)
    except ValueError:
        try:
            nearest = str(ipaddress.IPv4Network(value, strict=False))
        except ValueError:
            raise _wrong(f"{value!r} is not an IPv4 network", "write 203.0.113.7/32, or auto for your own") from None
        raise _wrong(f"{value} has bits set beyond its prefix", f"write {nearest}, or /32 for one address") from None
    if "/" not in value:
        raise _wrong(f"{value} lacks its prefix", f"write {value}/32 for that one address")
    return value


def _check_cidrs(values: list[str]) -> list[str]:
    if not values:
        raise _wrong("the list is empty: nobody could reach the notebook", "write [auto] for your own address")
    return values


def _check_vpc_cidr(value: str) -> str:
    if value == "auto" or not 16 <= ipaddress.IPv4Network(_check_cidr(value)).prefixlen <= 24:
        raise _wrong(f"AWS takes a VPC of /16 to /28, and dstk cuts subnets from it: {value} is not /16 to /24",
                     "write a private network such as 10.77.0.0/16")  # fmt: skip
    return value


def _check_port(value: int) -> int:
    if value == 22:
        raise _wrong("port 22 is taken by SSH", "choose another, such as 8888")
    return value


def _check_swap(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65536):
        return value
    raise _wrong(f"{value!r} is neither auto nor a number of MB up to 65536", "write auto, 0 for none, or such as 2048")


_Name = Annotated[
    str,
    _matches(
        r"[a-z][a-z0-9-]{0,39}",
        "{value} is not a name AWS and Docker both take",
        "a letter, then up to 39 of a-z, 0-9 and -",
    ),
]
_Student = Annotated[
    str,
    _matches(
        r"[a-z0-9][a-z0-9-]{0,39}",
        "{value} is not a name AWS and Docker both take",
        "a letter or digit, then up to 39 of a-z, 0-9 and -",
    ),
]
_Region = Annotated[
    str, _matches(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}", "{value} is not the name of a region", "such as us-west-2")
]
_InstanceType = Annotated[
    str, _matches(r"[a-z0-9-]+\.[a-z0-9-]+", "{value} is not an instance type", "family and size, such as t3.large")
]
_Url = Annotated[str, _matches(r"https?://[^\s/]+\S*", "{value} is not a web address", "such as https://example.org")]
_Vpc = Annotated[str, _matches(r"(vpc-[0-9a-f]{8,17})?", "{value} is not the id of a VPC", "such as vpc-0a1b2c3d4e5f")]
_Image = Annotated[
    str,
    _matches(
        r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9._-]+(/[a-z0-9._-]+)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?",
        "{value} is not the name of an image",
        "lower case, such as quay.io/jupyter/datascience-notebook:2025-12-31",
    ),
]
_Path = Annotated[str, _matches(r"(?s).*\S.*", "the path is empty", "write auto or a path")]


class _Request(BaseModel):
    """One field a key; everything optional, nothing unknown, nothing converted behind the user's back."""

    model_config = ConfigDict(extra="forbid", strict=True)

    deployment: _Name = "dstk"
    target: Literal["aws", "sandbox"] = "aws"
    region: _Region = "us-west-2"
    instance_type: _InstanceType = "t2.micro"
    # AWS: a root volume of gp3 has 1 to 16384 GiB, and Ubuntu's image wants 8
    volume_size: Annotated[int, Field(ge=8, le=16384)] = 30
    student: _Student = "student"
    allowed_cidrs: Annotated[list[Annotated[str, AfterValidator(_check_cidr)]], AfterValidator(_check_cidrs)] = ["auto"]
    address_service: _Url = "https://example.org"
    vpc_id: _Vpc | None = None
    vpc_cidr: Annotated[str, AfterValidator(_check_vpc_cidr)] = "10.77.0.0/16"
    ssh_key: _Path = "auto"
    docker_source: Literal["auto", "docker", "distribution"] = "auto"
    notebook_image: _Image = "image"
    notebook_port: Annotated[int, Field(ge=1, le=65535), AfterValidator(_check_port)] = 8888
    swap_size: Annotated[object, AfterValidator(_check_swap)] = "auto"
    state_dir: _Path = "auto"


KEYS = tuple(_Request.model_fields)


def find_nearest(name: str, names: Iterable[str] = KEYS) -> str | None:
    """Return the valid name that was probably meant."""
    near = difflib.get_close_matches(name.lower().replace("-", "_"), list(names), n=1, cutoff=0.6)
    return near[0] if near else None


def find_problems(values: Mapping[str, Any]) -> list[Problem]:
    """Return all that is wrong with these values, in the order of the keys."""
    try:
        _Request.model_validate(dict(values))
    except ValidationError as error:
        return [_read_problem(detail) for detail in error.errors(include_url=False)]
    return []


_TYPES = {
    "string_type": ("expected text, got {kind}", "put it in quotes"),
    "int_type": ("expected a whole number, got {kind}", "write digits only, without quotes or unit"),
    "int_from_float": ("expected a whole number, got {kind}", "write digits only"),
    "list_type": ("expected a list, got {kind}", "write it in brackets: [{value}]"),
    "literal_error": ("{value!r} is not one of {expected}", "write one of them"),
    "greater_than_equal": ("{value} is too small", "write at least {ge}"),
    "less_than_equal": ("{value} is too large", "write at most {le}"),
}
_KINDS = {
    type(None): "nothing",
    bool: "yes/no",
    int: "a number",
    float: "a decimal number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}


def _read_problem(detail: ErrorDetails) -> Problem:
    key = str(detail["loc"][0])
    value, context = detail["input"], detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        nearest = find_nearest(key)
        fix = f"did you mean {nearest}?" if nearest else f"the keys are {', '.join(KEYS)}"
        return Problem(key, "there is no such key", fix)
    if detail["type"] == "dstk":
        return Problem(key, context["message"], context["fix"])
    message, fix = _TYPES.get(detail["type"], (detail["msg"], ""))
    words = {"value": value, "kind": _KINDS.get(type(value), "something else"), **context}
    return Problem(key, message.format(**words), fix.format(**words))
