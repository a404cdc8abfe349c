"""What each key of a configuration may hold. pydantic is used here and nowhere else."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from dstk_runner.project import load_roster
from dstk_runner.schema_ends import Backups, Budget, Idle, Lease, Schedule, wrong

__all__ = ["KEYS", "Problem", "find_nearest", "find_problems"]


@dataclass(frozen=True)
class Problem:
    """What is wrong with the value of one key."""

    key: str
    message: str
    fix: str


def _matches(pattern: str, message: str, fix: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise wrong(message.replace("{value}", repr(value)), fix)
        return value

    return AfterValidator(check)


def _check_cidr(value: str) -> str:
    if value == "auto":
        return value
    try:
        nearest = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise wrong(f"{value!r} is not a network", "write 203.0.113.7/32, or auto for your own") from None
    if "/" not in value:
        raise wrong(f"{value} lacks its prefix", f"write {nearest} for that one address")
    if ipaddress.ip_interface(value).ip != nearest.network_address:
        one = f"/{nearest.max_prefixlen}"
        raise wrong(f"{value} has bits set beyond its prefix", f"write {nearest}, or {one} for one address")
    return value


def _check_cidrs(values: list[str]) -> list[str]:
    if not values:
        raise wrong("the list is empty: nobody could reach the notebook", "write [auto] for your own address")
    return values


def _check_vpc_cidr(value: str) -> str:
    network = ipaddress.ip_network("0.0.0.0/0" if value == "auto" else _check_cidr(value))
    if network.version != 4 or not 16 <= network.prefixlen <= 24:
        raise wrong(f"AWS takes a VPC of /16 to /28, and dstk cuts subnets from it: {value} is not /16 to /24",
                     "write a private network such as 10.77.0.0/16")  # fmt: skip
    return value


def _check_port(value: int) -> int:
    if value in (22, 80, 443):
        owner = "SSH" if value == 22 else "the proxy"
        raise wrong(f"port {value} is taken by {owner}", "choose another, such as 8888")
    return value


def _check_number(*, least: float, most: float, whole: bool, unit: str, such: str) -> AfterValidator:
    """Take auto, or a number within bounds."""

    def check(value: object) -> object:
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if value == "auto" or (number and least <= float(value) <= most):  # type: ignore[arg-type] # a number
            return value
        bounds = f"{least:g} to {most:g}{unit}"
        raise wrong(f"{value!r} is neither auto nor a number from {bounds}", f"write auto, or such as {such}")

    return AfterValidator(check)


def _check_url(value: str) -> str:
    if not value:
        return value
    if not re.fullmatch(r"(https?|git|ssh)://[^\s/]+/\S+|[\w.-]+@[\w.-]+:\S+", value):
        raise wrong(
            f"{value!r} is not the address of a git repository", "such as https://github.com/jupyter/nbgitpuller"
        )
    if re.match(r"https?://[^/\s]*@", value):
        raise wrong("the address holds a user or a password, and every student could read it",
                     "make the repository public, or give the class one that is")  # fmt: skip
    return value


def _check_inner_path(value: str) -> str:
    if value.startswith(("/", "~", "-")) or ".." in value.split("/") or re.search(r"[\x00-\x1f\\]", value):
        raise wrong(f"{value!r} is not a path within the student's home", "such as course, or week1/start.ipynb")
    return value


def _check_packages(value: dict[str, list[str]]) -> dict[str, list[str]]:
    strange = sorted(set(value) - {"pip", "apt"})
    if strange:
        raise wrong(f"there is no kind of package called {strange[0]}", "write {pip: [...], apt: [...]}")
    for text in value.get("pip", ()):
        try:
            Requirement(text)
        except InvalidRequirement:
            raise wrong(f"pip would not take {text!r}", "such as pandas, or pandas==2.3.3") from None
    for text in value.get("apt", ()):
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[\w.+:~-]+)?", text):
            raise wrong(f"apt would not take {text!r}", "such as graphviz")
    return value


def _check_student(value: object) -> object:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, dict) and all(isinstance(text, str | None) for text in value.values()):
        return value
    if isinstance(value, dict):
        raise wrong(f"a student's {_first_strange(value)} is not text", "put it in quotes")
    raise wrong(f"{value!r} names no student", "put a name in quotes, or write {name: ..., email: ...}")


def _first_strange(values: dict[Any, object]) -> str:
    return next(str(key) for key, text in values.items() if not isinstance(text, str | None))


def _check_swap(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65536):
        return value
    raise wrong(f"{value!r} is neither auto nor a number of MB up to 65536", "write auto, 0 for none, or such as 2048")


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
    str, _matches(load_roster().INSTANCE_TYPE, "{value} is not an instance type", "family and size, such as t3.large")
]
_Url = Annotated[str, _matches(r"https?://[^\s/]+\S*", "{value} is not a web address", "such as https://example.org")]
_Vpc = Annotated[str, _matches(r"(vpc-[0-9a-f]{8,17})?", "{value} is not the id of a VPC", "such as vpc-0a1b2c3d4e5f")]
_Image = Annotated[
    str,
    _matches(
        load_roster().IMAGE,
        "{value} is not the name of an image",
        "lower case, such as quay.io/jupyter/datascience-notebook:2025-12-31",
    ),
]
_Branch = Annotated[
    str,
    _matches(
        r"((?![-/.])(?!.*(\.\.|//|@\{))[\w./-]+(?<![/.]))?", "{value} is not the name of a branch", "such as main"
    ),
]
_Domain = Annotated[
    str,
    _matches(
        r"((?=.{1,200}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9])?",
        "{value} is not the name of a domain",
        "lower case, such as class.example.edu",
    ),
]
_Email = Annotated[
    str, _matches(r"([^@\s]+@[^@\s]+\.[^@\s]+)?", "{value} is not an e-mail address", "such as ada@example.edu")
]
_Inner = Annotated[str, AfterValidator(_check_inner_path)]
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
    roster: str = ""
    students: list[Annotated[object, AfterValidator(_check_student)]] = []
    placement: Literal["dedicated", "shared"] = "dedicated"
    students_per_host: Annotated[object, _check_number(least=1, most=40, whole=True, unit="", such="4")] = "auto"
    notebook_memory: Annotated[object, _check_number(least=256, most=4194304, whole=True, unit=" MB", such="2048")] = (
        "auto"
    )
    notebook_cpus: Annotated[object, _check_number(least=0.1, most=448, whole=False, unit="", such="0.5")] = "auto"
    instance_types: list[_InstanceType] = []
    allowed_cidrs: Annotated[list[Annotated[str, AfterValidator(_check_cidr)]], AfterValidator(_check_cidrs)] = ["auto"]
    allow_wide_cidrs: bool = False
    access: Literal["ssh", "ssm"] = "ssh"
    address_service: _Url = "https://example.org"
    vpc_id: _Vpc | None = None
    vpc_cidr: Annotated[str, AfterValidator(_check_vpc_cidr)] = "10.77.0.0/16"
    ssh_key: _Path = "auto"
    docker_source: Literal["auto", "docker", "distribution"] = "auto"
    notebook_image: _Image = "image"
    notebook_port: Annotated[int, Field(ge=1, le=65535), AfterValidator(_check_port)] = 8888
    tls: Literal["auto", "private"] = "auto"
    domain: _Domain = ""
    acme_server: _Url = "https://example.org"
    acme_email: _Email = ""
    acme_root: str = ""
    caddy_source: Literal["auto", "caddy", "distribution"] = "auto"
    # Jupyter takes days and fractions of them; a session of more than a week is no session
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12
    terminals: bool = False
    sudo: bool = False
    home_size: Annotated[object, _check_number(least=1, most=16384, whole=True, unit=" GB", such="10")] = "auto"
    swap_size: Annotated[object, AfterValidator(_check_swap)] = "auto"
    extra_packages: Annotated[dict[str, list[str]], AfterValidator(_check_packages)] = {}
    course_repo: Annotated[str, AfterValidator(_check_url)] = ""
    course_branch: _Branch = ""
    course_folder: _Inner = ""
    course_open: _Inner = ""
    budget: Budget = 0
    budget_email: _Email = ""
    schedule: Schedule = {}
    lease: Lease = "auto"
    idle_timeout: Idle = 120
    elastic_ip: bool = False
    spot: bool = False
    home_volume_size: Annotated[object, _check_number(least=1, most=16384, whole=True, unit=" GB", such="100")] = "auto"
    schedule_backup: Backups = {}
    baked: Literal["auto", "never"] = "auto"
    state_dir: _Path = "auto"


class _Call(_Request):
    """What a caller may say beside the keys of a file: things of one run."""

    limit: list[str] = []
    prune: bool = False


KEYS = tuple(_Request.model_fields)


def find_nearest(name: str, names: Iterable[str] = KEYS) -> str | None:
    """Return the valid name that was probably meant."""
    near = difflib.get_close_matches(name.lower().replace("-", "_"), list(names), n=1, cutoff=0.6)
    return near[0] if near else None


def find_problems(values: Mapping[str, Any], *, of_call: bool = False) -> list[Problem]:
    """Return all that is wrong with these values, in the order of the keys; a call may hold more of them."""
    try:
        (_Call if of_call else _Request).model_validate(dict(values))
    except ValidationError as error:
        return [_read_problem(detail) for detail in error.errors(include_url=False)]
    return []


_TYPES = {
    "string_type": ("expected text, got {kind}", "put it in quotes"),
    "int_type": ("expected a whole number, got {kind}", "write digits only, without quotes or unit"),
    "int_from_float": ("expected a whole number, got {kind}", "write digits only"),
    "dict_type": ("expected a mapping, got {kind}", "write it in braces, as docs/configuration.md shows"),
    "bool_type": ("expected yes or no, got {kind}", "write true or false"),
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
        if key in _Call.model_fields:
            return Problem(key, "this is said of a run, and not in a file", f"dstk up --{key}")
        nearest = find_nearest(key)
        fix = f"did you mean {nearest}?" if nearest else f"the keys are {', '.join(KEYS)}"
        return Problem(key, "there is no such key", fix)
    if detail["type"] == "dstk":
        return Problem(key, context["message"], context["fix"])
    message, fix = _TYPES.get(detail["type"], (detail["msg"], ""))
    words = {"value": value, "kind": _KINDS.get(type(value), "something else"), **context}
    return Problem(key, message.format(**words), fix.format(**words))
