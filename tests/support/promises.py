"""What the sandbox promises and plain moto does not keep. A promise is a check that raises AssertionError if broken.

Each is run twice: against the sandbox, which must keep it, and against plain moto, which must break it. When moto
learns to keep one, the second test fails, and the sandbox's own way of keeping it can go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from support.aws import Aws

Promise = Callable[[Aws], None]


def drive(promises: Iterable[Promise]) -> tuple[Callable[..., None], Callable[..., None]]:
    """Make the two tests of a module's promises: the sandbox keeps each, and plain moto breaks each."""
    each = pytest.mark.parametrize("promise", [pytest.param(p, id=p.__name__.replace("_", "-")) for p in promises])

    @each
    def keep(promise: Promise, aws: Aws) -> None:
        promise(aws)

    @each
    def break_(promise: Promise, plain_moto: Aws) -> None:
        with pytest.raises(AssertionError):
            promise(plain_moto)

    return keep, break_
