"""Checks of what a request takes away from the walls around a notebook. They only warn."""

from __future__ import annotations

from dstk_runner.config import Config
from dstk_runner.results import Check

__all__ = ["check_wall"]


def check_wall(config: Config) -> list[Check]:
    """Say what is given up where students get root in their containers, or terminals."""
    checks = []
    if config.sudo:
        message = (
            "students are root in their containers: these keep Docker's default capabilities, may gain privileges, "
            "and can be written to"
        )
        checks.append(Check(name="sudo", status="warn", message=message, fix="sudo: false, unless they need it"))
    if config.terminals:
        message = "whoever has a student's login has a shell in the browser"
        checks.append(Check(name="terminals", status="warn", message=message, fix="terminals: false"))
    return checks
