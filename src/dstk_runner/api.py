"""The library: deploy, look, plan, destroy. Each takes a path, a mapping or keyword arguments, or a Config."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstk_runner.config import Config, Source, load_config
from dstk_runner.errors import DstkError
from dstk_runner.events import Event, OnEvent
from dstk_runner.results import Check, Deployment, Failure, Logs, Notebook, Plan, Receipt, Resource

if TYPE_CHECKING:
    from dstk_runner.playbooks import PlaybookResult

__all__ = [
    "deploy",
    "destroy",
    "doctor",
    "explain_failure",
    "find_deployed",
    "open_session",
    "plan",
    "read_logs",
    "status",
]

Request = Config | Source

# What a notebook's state means, and what mends it; the other states are well.
_TROUBLES = {
    "failed": ("the notebook's container does not work", "`dstk logs` shows why; `dstk up` repairs what it can"),
    "missing": ("the instance has no notebook", "dstk up"),
    "unreachable": (
        "the instance runs, and SSH does not reach it",
        "`dstk up` lets your address of today in; `dstk doctor` tells whether SSH gets out of this network",
    ),
}


def deploy(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Deployment:
    """Make the deployment as the configuration says. What is there already is kept; nothing is made twice.

    Args:
        config: a path, a mapping, a Config, or None for ./dstk.yml, where that exists.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration; they win over the file and the environment.

    Returns:
        The notebooks and the failures. A failure of a host is a result, not an exception.

    Raises:
        ConfigError: the request was wrong; nothing was touched.
        BusyError: another run of this deployment is going on on this machine.
        Interrupted: Ctrl-C. The next `deploy` finishes the job.
        DstkError: AWS could not be asked.
    """
    from dstk_runner.state import hold_lock, new_log

    with _opened(config, overrides, on_event) as wanted, hold_lock(wanted, "up") as run:
        failures = _failures_of(_check(wanted, on_event))
        if failures:
            return Deployment(deployment=wanted.deployment, region=wanted.region, failures=failures)
        log = new_log(wanted, "up")
        result = _run("site", wanted, on_event, log, run_id=run)
        return _read_deployment(wanted, result, log)


def status(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Deployment:
    """Look at the deployment, and change nothing. Takes and raises what `deploy` does."""
    from dstk_runner.state import new_log

    with _opened(config, overrides, on_event) as wanted:
        found = _find(wanted)
        if not any(resource.kind == "instance" for resource in found):
            return Deployment(deployment=wanted.deployment, region=wanted.region)
        log = new_log(wanted, "status")
        seen = _read_deployment(wanted, _run("status", wanted, on_event, log), log)
        return replace(seen, failures=(*seen.failures, *_find_troubles(seen.notebooks)), changed=0)


def plan(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Plan:
    """Say what `deploy` would do, and what stands against it; change nothing. Takes and raises what `deploy` does."""
    from dstk_runner.state import new_log

    with _opened(config, overrides, on_event) as wanted:
        checks = _check(wanted, on_event)
        known = Plan(deployment=wanted.deployment, region=wanted.region, checks=checks, failures=_failures_of(checks))
        if known.failures:
            return known
        existing = _find(wanted)
        log = new_log(wanted, "plan")
        result = _run("plan", wanted, on_event, log, check=True)
        return replace(
            known,
            changes=tuple(dict.fromkeys(result.changes)),
            existing=existing,
            image=result.stats.get("dstk_image", {}),
            network=result.stats.get("dstk_network", {}),
            instance=result.stats.get("dstk_instance", {}),
            failures=_complete(wanted, result.failures, log),
            log=log,
        )


def find_deployed(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> tuple[Resource, ...]:
    """Return what `destroy` would delete: all that carries the tag. Takes and raises what `deploy` does."""
    with _opened(config, overrides, on_event) as wanted:
        return _find(wanted)


def destroy(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Receipt:
    """Delete all that carries the deployment's tag, then look again. Takes and raises what `deploy` does."""
    from dstk_runner.state import forget_hosts, hold_lock, new_log

    with _opened(config, overrides, on_event) as wanted, hold_lock(wanted, "destroy") as run:
        before = _find(wanted)
        if not before:
            forget_hosts(wanted)
            return Receipt(deployment=wanted.deployment, region=wanted.region)
        log = new_log(wanted, "destroy")
        result = _run("destroy", wanted, on_event, log, run_id=run)
        left = _find_left(wanted, patience=10.0 if result.rc == 0 else 0.0)
        if not left:
            forget_hosts(wanted)
        ids = {resource.id for resource in left}
        return Receipt(
            deployment=wanted.deployment,
            region=wanted.region,
            gone=tuple(resource for resource in before if resource.id not in ids),
            left=left,
            failures=_complete(wanted, result.failures, log),
            log=log,
        )


def doctor(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> tuple[Check, ...]:
    """Check all that a deployment needs, each with its remedy; change nothing. Takes and raises what `deploy` does."""
    from dstk_runner.checks import run_checks

    with _opened(config, overrides, on_event) as wanted:
        _tell(on_event, "check")
        return run_checks(wanted, everything=True)


def read_logs(config: Request = None, *, lines: int = 100, on_event: OnEvent | None = None, **overrides: Any) -> Logs:
    """Read the last lines of every notebook's logs. Takes and raises what `deploy` does."""
    from dstk_runner.state import find_logs, new_log

    with _opened(config, overrides, on_event) as wanted:
        runs = tuple(find_logs(wanted))
        found = Logs(deployment=wanted.deployment, region=wanted.region, runs=runs)
        if not any(resource.kind == "instance" for resource in _find(wanted)):
            return found
        log = new_log(wanted, "logs")
        result = _run("logs", wanted, on_event, log, extra={"jupyter_container_log_lines": lines})
        rows: Mapping[str, Mapping[str, list[str]]] = result.stats.get("dstk_logs", {})
        hosts = {host: {name: tuple(texts) for name, texts in logs.items()} for host, logs in rows.items()}
        return replace(found, hosts=hosts, failures=_complete(wanted, result.failures, log))


@contextlib.contextmanager
def _opened(config: Request, overrides: Mapping[str, Any], on_event: OnEvent | None) -> Iterator[Config]:
    from dstk_runner.targets import open_target

    if isinstance(config, Config):
        wanted = load_config(config.chosen_values(), overrides=overrides) if overrides else config
    else:
        wanted = load_config(config, overrides=overrides)
    with open_target(wanted, on_event) as opened:
        yield opened


def _run(
    name: str,
    config: Config,
    on_event: OnEvent | None,
    log: Path,
    *,
    check: bool = False,
    run_id: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> PlaybookResult:
    from dstk_runner.playbooks import run_playbook

    variables = {**config.extra_vars(), **(extra or {})}
    return run_playbook(name, extra_vars=variables, log_path=log, on_event=on_event, check=check, run_id=run_id)


def _check(config: Config, on_event: OnEvent | None) -> tuple[Check, ...]:
    """Run the checks that `up` needs; what is wrong with the request itself is raised."""
    from dstk_runner.checks import find_mistakes, run_checks

    _tell(on_event, "check")
    checks = run_checks(config)
    mistakes = find_mistakes(checks)
    if mistakes:
        raise mistakes
    return checks


def _failures_of(checks: tuple[Check, ...]) -> tuple[Failure, ...]:
    failed = [check for check in checks if check.status == "fail"]
    return tuple(Failure(stage="check", task=check.name, message=check.message, fix=check.fix) for check in failed)


def _find(config: Config) -> tuple[Resource, ...]:
    from dstk_runner.resources import find_resources

    return find_resources(deployment=config.deployment, region=config.region)


def _find_left(config: Config, *, patience: float) -> tuple[Resource, ...]:
    """Look again until nothing is left: AWS's answers lag a few seconds behind its deeds."""
    deadline = time.monotonic() + patience
    while (left := _find(config)) and time.monotonic() < deadline:
        time.sleep(1)
    return left


def _tell(on_event: OnEvent | None, stage: str) -> None:
    if on_event:
        on_event(Event(stage=stage))


def _read_deployment(config: Config, result: PlaybookResult, log: Path) -> Deployment:
    from dstk_runner.state import read_password

    rows: Mapping[str, Mapping[str, str]] = result.stats.get("dstk_notebooks", {})
    keys = ("student", "url", "instance_id", "address", "state", "container")
    notebooks = [
        Notebook(password=read_password(row["password_file"]), **{key: str(row[key]) for key in keys})
        for row in rows.values()
    ]
    students = {notebook.instance_id: notebook.student for notebook in notebooks}
    return Deployment(
        deployment=config.deployment,
        region=config.region,
        notebooks=tuple(sorted(notebooks, key=lambda notebook: notebook.student)),
        failures=_complete(config, result.failures, log, students=students),
        changed=len(result.changes),
        log=log,
    )


def _complete(
    config: Config, failures: tuple[Failure, ...], log: Path, *, students: Mapping[str, str] | None = None
) -> tuple[Failure, ...]:
    """Say in every failure whose it is, and where to read on where nothing better is known."""
    return tuple(
        replace(
            failure,
            student=(students or {}).get(failure.host or "", config.student),
            fix=failure.fix or f"{log} tells more; the same command, run again, goes on from there",
        )
        for failure in failures
    )


def _find_troubles(notebooks: tuple[Notebook, ...]) -> Iterator[Failure]:
    for notebook in notebooks:
        if notebook.state in _TROUBLES:
            message, fix = _TROUBLES[notebook.state]
            yield Failure(stage="status", host=notebook.instance_id, student=notebook.student, message=message, fix=fix)


def open_session(config: Config, on_event: OnEvent | None = None) -> contextlib.AbstractContextManager[Config]:
    """Let this process speak to the configuration's target, for what is not a run: `dstk ssh`."""
    return _opened(config, {}, on_event)


def explain_failure(error: DstkError, *, stage: str) -> tuple[Failure, ...]:
    """Return an exception as the failures of a document; a wrong request has one for each mistake."""
    mistakes = getattr(error, "mistakes", ())
    if mistakes:
        return tuple(
            Failure(stage=stage, task=m.field or None, message=": ".join(filter(None, (m.where, m.message))), fix=m.fix)
            for m in mistakes
        )
    return (Failure(stage=stage, message=error.message, fix=error.fix),)
