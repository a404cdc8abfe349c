"""The doctor: what stands between the user and a notebook, each thing with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from dstk_runner import checks_aws, checks_local, checks_network
from dstk_runner.aws import ask_all
from dstk_runner.checks_cost import check_cost
from dstk_runner.checks_spot import check_spot
from dstk_runner.checks_wall import check_wall
from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.lease import find_links_notice
from dstk_runner.project import load_layers
from dstk_runner.results import Check

__all__ = ["find_mistakes", "run_checks"]


_ENCRYPTION = {
    "auto": "TLS, with certificates of the ACME server where it reaches the hosts, else of an own authority",
    "private": "TLS, with certificates of the deployment's own authority, which browsers have to trust once",
}


def run_checks(config: Config, *, everything: bool = False) -> tuple[Check, ...]:
    """Ask what `up` needs to be true; with `everything`, also what only a person wants to know.

    Nothing is changed: AWS is asked with calls that read, and with dry runs of those that do not.
    """
    questions: list[Callable[[], Iterable[Check]]] = [
        partial(checks_local.check_versions),
        partial(checks_local.check_ssh),
        partial(checks_local.check_session_manager, config),
        partial(checks_local.check_key, config),
        partial(checks_network.check_address, config),
        partial(checks_network.check_ssh_out, config),
        partial(checks_aws.check_account, config),
        partial(_check_request, config),
        partial(check_cost, config),
        partial(check_spot, config),
        partial(check_wall, config),
    ]
    if everything:
        questions += [
            partial(checks_local.check_docker),
            partial(checks_network.check_https_out, config),
            partial(checks_network.check_websockets_out, config),
        ]
    return tuple(check for checks in ask_all(questions) for check in checks)


def find_mistakes(checks: Iterable[Check]) -> ConfigError | None:
    """Return the failures that lie in the request itself, as the error that they are."""
    mistakes = [Mistake("", check.name, check.message, check.fix) for check in checks if check.request]
    return ConfigError(mistakes) if mistakes else None


def _check_request(config: Config) -> list[Check]:
    """Look for what the file asks for and its writer may not want."""
    found = []
    wide = load_layers().find_wide(config.allowed_cidrs)
    if wide:
        message = f"{', '.join(wide)} lets very many machines try to log in"
        found.append(
            Check(name="allowed_cidrs", status="warn", message=message, fix="write [auto], or your campus's own")
        )
    if config.tls == "auto":
        message = "port 80 is open to everybody, for the ACME server asks from anywhere; nothing else answers there"
        found.append(Check(name="port 80", status="warn", message=message, fix="tls: private, to leave it closed"))
    if config.schedule.get("start"):
        notice = find_links_notice(config)
        message = notice or "hosts that AWS starts keep their addresses, and so their links"
        fix = "elastic_ip: true, which keeps the addresses and costs by the hour" if notice else ""
        found.append(Check(name="schedule", status="warn" if notice else "ok", message=message, fix=fix))
    found.append(Check(name="encryption", status="ok", message=_ENCRYPTION[config.tls]))
    return found
