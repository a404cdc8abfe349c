"""Where a deployment goes: real AWS, or the sandbox. The one module that knows both."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dstk_runner.config import Config
from dstk_runner.events import Event, OnEvent
from dstk_runner.project import find_project, load_layers

__all__ = ["open_target"]


@contextlib.contextmanager
def open_target(config: Config, on_event: OnEvent | None = None) -> Iterator[Config]:
    """Let this process's environment speak to the configuration's target while this is open.

    For AWS that is the environment as it is: credentials come from the caller's own profile chain. A sandbox is
    started where none is running, and what nobody chose is as the sandbox says. The environment is the whole
    process's, so two targets at once want two processes.
    """
    if config.target == "aws":
        yield config
        return
    from dstk_runner import sandbox

    def tell(message: str) -> None:
        if on_event:
            on_event(Event(stage="sandbox", status="note", message=message))

    running = sandbox.status()
    sandbox.up(mode=running.mode if running else "hosts", on_progress=tell)
    given = sandbox.environment()
    before = dict(os.environ)
    try:
        for name in sandbox.UNSET:
            os.environ.pop(name, None)
        os.environ.update(given)
        own = {key: value for key, value in _read_keys(given).items() if key not in config.chosen}
        yield replace(config, **own)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _read_keys(environment: Mapping[str, str]) -> dict[str, Any]:
    layers = load_layers()
    return dict(layers.environment_layer(environment, layers.load_defaults(find_project())))
