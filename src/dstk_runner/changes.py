"""What changes under notebooks that are there: the type of their hosts, and their image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dstk_runner.config import Config, load_config
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.events import Event, OnEvent
from dstk_runner.outcome import read_deployment
from dstk_runner.results import Check, Deployment, Failure, explain_nothing
from dstk_runner.roll import Roll
from dstk_runner.session import Request, add_to_run, call_roll_after, open_request, run_for

__all__ = ["resize", "upgrade"]


def resize(
    config: Request = None,
    *,
    type: str,
    limit: Iterable[str] = (),
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Deployment:
    """Give the hosts another instance type: stop, change, start. Work stays; links stay with `elastic_ip`.

    What was interrupted is ended by the next `resize`. Later runs of `deploy` leave the type as it is, whatever
    `instance_type` says. A host on which others sit than those of `limit` keeps its type, and is a failure of each.

    Args:
        config: a path, a mapping, a Config, or None for ./dstk.yml, where that exists.
        type: the instance type, such as m7i.large.
        limit: logins; only the hosts of these students are changed. Empty means all.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.

    Returns:
        The notebooks, whose addresses may be others than before, and the failures.

    Raises:
        ConfigError: a host cannot be of this type; none was stopped.
        DstkError: AWS could not be asked.
    """
    from dstk_runner.checks_resize import check_resize
    from dstk_runner.roll import call_roll
    from dstk_runner.state import hold_lock, new_log

    with open_request(config, add_to_run(overrides, limit), on_event) as wanted, hold_lock(wanted, "resize") as run:
        roll = call_roll(wanted)
        chosen = find_chosen(wanted, roll)
        if not chosen:
            nothing = explain_nothing(wanted, stage="resize")
            return Deployment(deployment=wanted.deployment, region=wanted.region, failures=(nothing,))
        if on_event:
            on_event(Event(stage="check"))
        failures = _judge(check_resize(wanted, type))
        if failures:
            return Deployment(deployment=wanted.deployment, region=wanted.region, failures=failures)
        log = new_log(wanted, "resize")
        seated_only = replace(wanted, limit=chosen)
        extra = {"dstk_type": type, "dstk_named": list(wanted.limit)}
        result = run_for("resize", seated_only, on_event, log, run_id=run, extra=extra)
        return read_deployment(seated_only, result, call_roll_after(wanted), log)


def upgrade(
    config: Request = None,
    *,
    image: str = "",
    wait: int = 300,
    limit: Iterable[str] = (),
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Deployment:
    """Give notebooks a new image; where it does not get healthy, the old one comes back by itself.

    Healthy is what answers through the proxy. A notebook that is back on its old image is a failure of its student, and
    keeps that image in later runs of `deploy` until it is upgraded again or another `notebook_image` is asked for.

    Args:
        config: a path, a mapping, a Config, or None for ./dstk.yml, where that exists.
        image: what they get; empty is the `notebook_image` of the configuration.
        wait: seconds within which it has to answer, or the old one comes back.
        limit: logins; only these students' notebooks are changed. Empty means all.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.

    Raises:
        ConfigError: the request was wrong; nothing was touched.
        DstkError: AWS could not be asked.
    """
    from dstk_runner.roll import call_roll
    from dstk_runner.state import hold_lock, new_log

    with open_request(config, add_to_run(overrides, limit), on_event) as wanted, hold_lock(wanted, "upgrade") as run:
        if image:
            # it has to be one that dstk.yml could name
            load_config(wanted.chosen_values(), overrides={"notebook_image": image})
        roll = call_roll(wanted)
        if not roll.hosts:
            nothing = explain_nothing(wanted, stage="upgrade")
            return Deployment(deployment=wanted.deployment, region=wanted.region, failures=(nothing,))
        log = new_log(wanted, "upgrade")
        result = run_for("upgrade", wanted, on_event, log, run_id=run, extra={"dstk_image": image, "dstk_wait": wait})
        return read_deployment(wanted, result, roll, log)


def find_chosen(config: Config, roll: Roll) -> tuple[str, ...]:
    """Return the students of the class who have a seat and whom the limit leaves."""
    seated = {login for there in roll.hosts.values() for login in there}
    return tuple(login for login in roll.students if login in seated and (not config.limit or login in config.limit))


def _judge(checks: Iterable[Check]) -> tuple[Failure, ...]:
    """Return what failed; what is wrong with the request itself is raised."""
    failed = [check for check in checks if check.status == "fail"]
    if wrong := [check for check in failed if check.request]:
        raise ConfigError([Mistake("", check.name, check.message, check.fix) for check in wrong])
    return tuple(Failure(stage="check", task=check.name, message=check.message, fix=check.fix) for check in failed)
