"""What the library returns, and the one document that each result is as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

__all__ = [
    "Change",
    "Check",
    "Deployment",
    "Failure",
    "Idle",
    "Logs",
    "Notebook",
    "Plan",
    "Receipt",
    "Resource",
    "Tls",
    "explain_nothing",
    "open_document",
]

Json = dict[str, Any]

#: The part of a home that is left when it counts as nearly full.
NEARLY_FULL = 0.1


class Place(Protocol):
    """What says which deployment is meant: a configuration, or a result."""

    @property
    def deployment(self) -> str:
        """Its name."""

    @property
    def region(self) -> str:
        """Where it is."""


class Result(Place, Protocol):
    """What every result of a deployment tells."""

    @property
    def ok(self) -> bool:
        """Whether all went well."""


def open_document(result: Result) -> Json:
    """Return the head that the documents of all commands have in common."""
    return {"deployment": result.deployment, "region": result.region, "ok": result.ok}


@dataclass(frozen=True, kw_only=True)
class Notebook:
    """A student's notebook. `state` is ready, starting, failed, stopped, unreachable or missing.

    `last_activity` is a moment in ISO 8601, UTC, or empty; memory and disk are in bytes, None where not known.
    """

    student: str
    url: str
    password: str = field(repr=False)
    instance_id: str
    address: str
    state: str
    container: str
    seat: int = 1
    image: str = ""
    last_activity: str = ""
    memory_used: int | None = None
    memory_limit: int | None = None
    disk_used: int | None = None
    disk_free: int | None = None

    @property
    def is_nearly_full(self) -> bool:
        """Whether less than a tenth of the home's room is left."""
        if self.disk_used is None or self.disk_free is None:
            return False
        return self.disk_free < NEARLY_FULL * (self.disk_used + self.disk_free)

    def to_json(self) -> Json:
        """Return it as DESIGN's document has it; the password is in it, for that is what is asked for."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One thing that failed, where, and what mends it."""

    message: str
    fix: str = ""
    stage: str = ""
    task: str | None = None
    host: str | None = None
    student: str | None = None

    def to_json(self) -> Json:
        """Return it with all keys, in the order of the document."""
        keys = ("host", "student", "stage", "task", "message", "fix")
        return {key: getattr(self, key) for key in keys}


def explain_nothing(place: Place, *, stage: str) -> Failure:
    """Return the failure of asking for something where nothing of the deployment is."""
    return Failure(stage=stage, message=f"nothing of {place.deployment} is in {place.region}", fix="dstk up")


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Whose certificates the notebooks have: of a public authority (`acme`), or of the deployment's own (`private`).

    One host that has a private one makes it private. `ca_file` is then what clients have to trust, `sha256` the sum of
    that file, and `reason` says why there is no other certificate.
    """

    mode: Literal["acme", "private"]
    ca_file: Path | None = None
    sha256: str | None = None
    reason: str = ""

    def to_json(self) -> Json:
        """Return it as the document has it."""
        return {**asdict(self), "ca_file": str(self.ca_file) if self.ca_file else None}


@dataclass(frozen=True, kw_only=True)
class Idle:
    """Why a host is up, or was stopped. `state` is busy, idle, ending, off, interrupted or stopped.

    `since` is when the last work ended, the host was stopped, or AWS said that it takes a spot instance back;
    `stops_at` is when that is, or when the host shuts itself down, unless somebody works before. Both are in ISO 8601,
    UTC, or empty. `why` has a text for each student, and for the host as `(host)`. `looked_at` is when the host found
    all that, empty where it was not asked; where that is `late`, the host looks no more, and the rest is of then.
    """

    instance_id: str
    state: str
    since: str = ""
    stops_at: str = ""
    looked_at: str = ""
    late: bool = False
    why: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return all fields."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What `deploy` and `status` found in the end: `deployment["student01"]` is a notebook, and a loop goes over all.

    Notebooks and failures come in the order of the roster. `gone` are students who have a seat and are no longer in
    the roster, with the instance on which they sit. `logins` has the login of each of the class by `identity`: that of
    the seat, which outlives a roster that was sorted anew. `tls` is None where no host told of it.
    `names_by_hand` are names of notebooks and the address of each that are to be made where the domain is kept, for
    its zone is not in the account. `until` is when AWS stops the hosts for good (ISO 8601, UTC), empty where no
    host tells of it. `budget_spent` says whether the AWS Budget is spent, so that no schedule starts the hosts; None
    where AWS was not asked, as by `status`. `kept` are volumes with homes whose hosts are gone, which the next
    `deploy` uses again. `idle` says of each host why it is up, or was stopped. `image` is what a host begins with that
    is new, as in a plan.
    `changed` counts the tasks that changed something.
    """

    deployment: str
    region: str
    notebooks: tuple[Notebook, ...] = ()
    failures: tuple[Failure, ...] = ()
    gone: Mapping[str, str] = field(default_factory=dict)
    pruned: Mapping[str, Path] = field(default_factory=dict)
    logins: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Tls | None = None
    names_by_hand: Mapping[str, str] = field(default_factory=dict)
    until: str = ""
    budget_spent: bool | None = None
    idle: tuple[Idle, ...] = ()
    image: Mapping[str, Any] = field(default_factory=dict)
    kept: tuple[Resource, ...] = ()
    changed: int = 0
    log: Path | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.failures

    @property
    def nearly_full(self) -> tuple[str, ...]:
        """The students whose homes have less than a tenth of their room left."""
        return tuple(notebook.student for notebook in self.notebooks if notebook.is_nearly_full)

    def __getitem__(self, student: str) -> Notebook:
        """Return a student's notebook; a KeyError tells that there is none."""
        for notebook in self.notebooks:
            if notebook.student == student:
                return notebook
        raise KeyError(f"no notebook of {student} is in {self.deployment}")

    def __iter__(self) -> Iterator[Notebook]:
        """Go over the notebooks, in the order of the roster."""
        return iter(self.notebooks)

    def to_json(self) -> Json:
        """Return the document of `dstk up --json` and `dstk status --json`."""
        return {
            **open_document(self),
            "notebooks": [notebook.to_json() for notebook in self.notebooks],
            "failures": [failure.to_json() for failure in self.failures],
            "gone": [{"student": student, "instance_id": host} for student, host in self.gone.items()],
            "pruned": [{"student": student, "archive": str(path)} for student, path in self.pruned.items()],
            "tls": self.tls.to_json() if self.tls else None,
            "names_by_hand": [{"name": name, "address": address} for name, address in self.names_by_hand.items()],
            "until": self.until,
            "budget_spent": self.budget_spent,
            "idle": [idle.to_json() for idle in self.idle],
            "image": dict(self.image),
            "kept": [resource.to_json() for resource in self.kept],
            "nearly_full": list(self.nearly_full),
        }


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question that the doctor asked, and the remedy where the answer is not good."""

    name: str
    status: Literal["ok", "warn", "fail", "skipped"]
    message: str
    fix: str = ""
    request: bool = field(default=False, repr=False)
    """The failure lies in the request itself (a region or a type that does not exist), not in the world."""

    def to_json(self) -> Json:
        """Return name, status, message and fix."""
        return {"name": self.name, "status": self.status, "message": self.message, "fix": self.fix}


@dataclass(frozen=True, kw_only=True, order=True)
class Resource:
    """Something in AWS that carries the deployment's tag.

    `billed` tells whether keeping it costs money, `kept` that `destroy` leaves it: a backup. A volume, or a snapshot of
    one, has its size, and `homes` names the host whose homes it holds. `expires` is the day after which nobody needs a
    snapshot. `usd_month` is what a volume costs, and a snapshot or an image at most, for of those only what was written
    counts; None where that is not known.
    """

    kind: str
    id: str
    name: str = ""
    state: str = ""
    billed: bool = False
    kept: bool = False
    homes: str = ""
    gigabytes: int = 0
    expires: str = ""
    usd_month: float | None = None

    @property
    def is_replaced(self) -> bool:
        """Whether it is a volume in whose place a restore has put another: no login has a space, and its time has."""
        return self.kind == "volume" and " until " in self.homes

    def stays(self, *, delete_data: bool = False) -> bool:
        """Whether `destroy` keeps it: work stays, and so does a backup, whatever becomes of the work."""
        return self.kept or (bool(self.homes) and not (delete_data and self.kind == "volume"))

    def to_json(self) -> Json:
        """Return all fields."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What `destroy` removed, what it kept, for there is work on it, and what else a look afterwards still found.

    `images` are the baked images of the region, which are of no deployment, and stay.
    """

    deployment: str
    region: str
    gone: tuple[Resource, ...] = ()
    kept: tuple[Resource, ...] = ()
    left: tuple[Resource, ...] = ()
    images: tuple[Resource, ...] = ()
    failures: tuple[Failure, ...] = ()
    log: Path | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed, and nothing that costs money is left but what is kept."""
        return not self.failures and not any(resource.billed and not resource.kept for resource in self.left)

    def to_json(self) -> Json:
        """Return the document of `dstk destroy --json`: every resource, with `gone` true or false."""
        rows = [(resource, True) for resource in self.gone] + [(resource, False) for resource in self.left]
        return {
            **open_document(self),
            "resources": [{**resource.to_json(), "gone": gone} for resource, gone in rows],
            "images": [image.to_json() for image in self.images],
            "kept": [resource.to_json() for resource in self.kept],
            "failures": [failure.to_json() for failure in self.failures],
        }


@dataclass(frozen=True, kw_only=True, order=True)
class Change:
    """A task that changed something on a host, or in check mode would."""

    host: str
    task: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `up` would do. `image`, `network` and `hosts` are what the roles found, by the names they gave it.

    `instance` is the host where there is only one, with an empty id where it is new.
    """

    deployment: str
    region: str
    checks: tuple[Check, ...] = ()
    changes: tuple[Change, ...] = ()
    existing: tuple[Resource, ...] = ()
    image: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    log: Path | None = None

    @property
    def ok(self) -> bool:
        """Nothing stands against `up`."""
        return not self.failures

    @property
    def instance(self) -> Mapping[str, Any]:
        """The only host; empty where there are several."""
        if len(self.hosts) != 1:
            return {}
        [(name, facts)] = self.hosts.items()
        return {"id": "" if name.startswith("planned-") else name, **facts}

    @property
    def warnings(self) -> tuple[Check, ...]:
        """What `up` would do and the user may not want."""
        return tuple(check for check in self.checks if check.status == "warn")

    def to_json(self) -> Json:
        """Return the document of `dstk plan --json`."""
        return {
            **open_document(self),
            "changes": [asdict(change) for change in self.changes],
            "existing": [resource.to_json() for resource in self.existing],
            "image": dict(self.image),
            "network": dict(self.network),
            "instance": dict(self.instance),
            "hosts": {name: dict(facts) for name, facts in self.hosts.items()},
            "checks": [check.to_json() for check in self.checks],
            "failures": [failure.to_json() for failure in self.failures],
        }


@dataclass(frozen=True, kw_only=True)
class Logs:
    """The last lines of every notebook's logs, by instance and by log; `runs` are the logs of dstk's own runs."""

    deployment: str
    region: str
    hosts: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    runs: tuple[Path, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def ok(self) -> bool:
        """Every host could be asked."""
        return not self.failures

    def to_json(self) -> Json:
        """Return the document of `dstk logs --json`."""
        return {
            **open_document(self),
            "hosts": {host: {name: list(lines) for name, lines in logs.items()} for host, logs in self.hosts.items()},
            "runs": [str(path) for path in self.runs],
            "failures": [failure.to_json() for failure in self.failures],
        }
