"""What the user asked for: defaults, dstk.yml, the environment and the call itself, merged and found valid."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dstk_runner.document import Document, read_document
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.project import find_project, load_layers, load_roster, load_seats

__all__ = ["Config", "Source", "load_config"]

Source = str | os.PathLike[str] | Mapping[str, Any] | None
"""A path, a mapping that stands in for a file, or None: ./dstk.yml where there is one."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """A valid configuration. docs/configuration.md says what each key means; `chosen` holds those that somebody set.

    `members` is the class, a mapping a student (docs/design.md, `dstk_class`); `limit` and `prune` are of one run.
    """

    deployment: str
    target: str
    region: str
    instance_type: str
    volume_size: int
    student: str
    roster: str
    students: tuple[Any, ...]
    placement: str
    students_per_host: str | int
    notebook_memory: str | int
    notebook_cpus: str | float
    instance_types: tuple[str, ...]
    allowed_cidrs: tuple[str, ...]
    allow_wide_cidrs: bool
    access: str
    address_service: str
    vpc_id: str
    vpc_cidr: str
    ssh_key: str
    docker_source: str
    notebook_image: str
    notebook_port: int
    tls: str
    domain: str
    acme_server: str
    acme_email: str
    acme_root: str
    caddy_source: str
    session_hours: int
    terminals: bool
    sudo: bool
    home_size: str | int
    swap_size: str | int
    extra_packages: Mapping[str, list[str]]
    course_repo: str
    course_branch: str
    course_folder: str
    course_open: str
    budget: float
    budget_email: str
    schedule: Mapping[str, str]
    lease: str | int
    idle_timeout: int
    elastic_ip: bool
    spot: bool
    home_volume_size: str | int
    schedule_backup: Mapping[str, Any]
    baked: str
    state_dir: Path
    members: tuple[Mapping[str, str], ...]
    limit: tuple[str, ...] = ()
    prune: bool = False
    source: str | None = None
    chosen: frozenset[str] = field(default=frozenset(), compare=False)

    def chosen_values(self) -> dict[str, Any]:
        """Return what somebody set, as a dstk.yml would hold it."""
        return {key: _plain(getattr(self, key)) for key in sorted(self.chosen)}

    def extra_vars(self) -> dict[str, Any]:
        """Return the extra variables for Ansible: what somebody set, and what depends on who runs dstk."""
        layers = load_layers()
        keys = sorted({*self.chosen, *layers.COMPUTED_KEYS, *layers.RUN_DEFAULTS} - layers.COMMAND_KEYS)
        values = {layers.PREFIX + key: _plain(getattr(self, key)) for key in keys}
        return {**values, "dstk_class": [dict(member) for member in self.members], "dstk_config": ""}

    @property
    def folder(self) -> Path:
        """The state folder of this deployment."""
        return self.state_dir / self.deployment

    @property
    def ssh_key_path(self) -> Path:
        """The private key that is used, or that the first run makes."""
        return Path(load_layers().find_ssh_key(self.ssh_key, os.environ))


def load_config(
    source: Source = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    as_flags: bool = False,
) -> Config:
    """Merge and check all layers.

    Args:
        source: a path, a mapping, or None for ./dstk.yml (that there is none is fine).
        overrides: what the caller says itself; wins over the file and the environment. None values are left out.
        as_flags: name overrides as flags of the command (`--volume-size`) in messages.

    Raises:
        ConfigError: something is wrong; it names every mistake.
    """
    layers = load_layers()
    defaults = {"target": "aws", **layers.load_defaults(find_project())}
    document = _open_source(source)
    environment = layers.environment_layer(os.environ, defaults)
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if "limit" in given:
        given["limit"] = layers.read_names(given["limit"])

    def name_flag(key: str) -> str:
        return f"--{key.replace('_', '-')}" if as_flags else f"{key}="

    def name_variable(key: str) -> str:
        return f"${layers.ENVIRONMENT_PREFIX}{key.upper()}"

    mistakes = [*document.mistakes, *_find_mistakes(document.values, document.find_place, of_call=not document.lines)]
    mistakes.sort(key=lambda mistake: int(mistake.where.rpartition(":")[2] or 0) if document.lines else 0)
    mistakes += _find_mistyped_variables(defaults)
    mistakes += _find_mistakes(environment, name_variable)
    mistakes += _find_mistakes(given, name_flag, of_call=True)

    written = layers.anchored(document.values, Path(document.name).parent)
    defaults |= layers.RUN_DEFAULTS
    merged = layers.resolve(defaults, written, environment, given, environ=os.environ)
    if not mistakes:
        # what is left to be wrong is what was computed: a login name that makes no valid name, say
        computed = {key: merged[key] for key in layers.COMPUTED_KEYS}
        mistakes += _find_mistakes(computed, lambda _: "computed from your login name")
        places = ((given, name_flag), (environment, name_variable), (document.values, document.find_place))
        widest = next((name("allowed_cidrs") for layer, name in places if "allowed_cidrs" in layer), "")
        mistakes += [*_find_wide_networks(merged, widest), *_find_conflicts(merged)]
    place = name_flag if "students" in given else name_variable if "students" in environment else document.find_place
    if not {"roster", "students", "student", "limit"} & {mistake.field for mistake in mistakes}:
        members, more = _read_class(merged, place("students"), name_flag("limit"))
        mistakes += more
    if mistakes:
        raise ConfigError(mistakes)
    chosen = frozenset((*document.values, *environment, *given))
    source_name = document.name if document.name != "argument" else None
    return _build({**merged, "members": members}, source=source_name, chosen=chosen)


def _read_class(values: Mapping[str, Any], place: str, limit: str) -> tuple[list[dict[str, str]], list[Mistake]]:
    """Return the class and what is wrong with it; `place` and `limit` say where students and limit were said."""
    roster = load_roster()
    try:
        members = roster.find_class(values, place=place)
    except roster.RosterError as error:
        return [], [Mistake(item.where, item.field, item.message, item.fix) for item in error.mistakes]
    strangers = roster.find_strangers(values["limit"], members)
    return members, [Mistake(limit, "", message, fix) for message, fix in strangers]


def _open_source(source: Source) -> Document:
    if isinstance(source, Mapping):
        return Document("argument", values={str(key): value for key, value in source.items()})
    path = load_layers().find_config(None if source is None else os.fspath(source))
    return read_document(path) if path else Document("argument")


def _find_mistakes(
    values: Mapping[str, Any], find_place: Callable[[str], str], *, of_call: bool = False
) -> list[Mistake]:
    if not values:
        return []
    from dstk_runner.schema import find_problems

    problems = find_problems(values, of_call=of_call)
    return [Mistake(find_place(problem.key), problem.key, problem.message, problem.fix) for problem in problems]


def _find_conflicts(values: Mapping[str, Any]) -> list[Mistake]:
    """Find values that are good by themselves and not together: a shared host has a port a seat."""
    first = values["notebook_port"]
    last = first + load_seats().MOST_SEATS - 1
    if values["placement"] != "shared" or (last <= 65535 and not {22, 80, 443} & set(range(first, last + 1))):
        return []
    message = f"seats would have the ports {first} to {last}, 22 is SSH's, 80 and 443 the proxy's, and 65535 the last"
    return [Mistake("", "notebook_port", message, "such as 8888")]


def _find_wide_networks(values: Mapping[str, Any], place: str) -> list[Mistake]:
    """Find networks that let very many machines in, where the request does not say that it means them."""
    wide = [] if values["allow_wide_cidrs"] else load_layers().find_wide(values["allowed_cidrs"])
    fix = "write [auto], or your campus's own networks; allow_wide_cidrs: true if you mean it"
    return [Mistake(place, "allowed_cidrs", f"{', '.join(wide)} lets very many machines in", fix)] if wide else []


def _find_mistyped_variables(defaults: Mapping[str, Any]) -> list[Mistake]:
    """Find DSTK_REGOIN and the like. Variables that resemble no key belong to somebody else."""
    prefix = load_layers().ENVIRONMENT_PREFIX
    keys = {prefix + key.upper() for key in defaults}
    mistakes = []
    for name in sorted(os.environ):
        if name.startswith(prefix) and name not in keys:
            near = difflib.get_close_matches(name, keys, n=1, cutoff=0.88)
            if near:
                mistakes.append(Mistake(f"${name}", "", "there is no such key", f"did you mean {near[0]}?"))
    return mistakes


def _build(values: Mapping[str, Any], *, source: str | None, chosen: frozenset[str]) -> Config:
    known = {name: values[name] for name in (item.name for item in fields(Config)) if name in values}
    known |= {
        **{key: tuple(values[key]) for key in ("allowed_cidrs", "students", "instance_types", "members", "limit")},
        "roster": str(Path(values["roster"]).absolute()) if values["roster"] else "",
        "vpc_id": values["vpc_id"] or "",
        "ssh_key": str(Path(values["ssh_key"]).expanduser()),
        "state_dir": Path(values["state_dir"]).absolute(),
    }
    return Config(**known, source=source, chosen=chosen)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value
