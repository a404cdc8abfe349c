"""Where a deployment goes: real AWS, or the sandbox. The one module that knows both."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from dstk_runner.config import Config
from dstk_runner.events import Event, OnEvent

__all__ = ["open_target"]


@contextlib.contextmanager
def open_target(config: Config, on_event: OnEvent | None = None) -> Iterator[None]:
    """Let this process's environment speak to the configuration's target while this is open.

    For AWS that is the environment as it is: credentials come from the caller's own profile chain. A sandbox is
    started where none is running. The environment is the whole process's, so two targets at once want two processes.
    """
    if config.target == "aws":
        yield
        return
    from dstk_runner import sandbox

    def tell(message: str) -> None:
        if on_event:
            on_event(Event(stage="sandbox", status="note", message=message))

    sandbox.up(on_progress=tell, notebook_images=[config.notebook_image])
    before = dict(os.environ)
    try:
        for name in sandbox.UNSET:
            os.environ.pop(name, None)
        os.environ.update(sandbox.environment())
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
