"""`dstk iam-policy`: what an AWS account has to allow."""

from __future__ import annotations

from typing import Annotated

import typer

from dstk_runner.console import show_json
from dstk_runner.options import Request, takes_request

__all__ = ["account_app"]

account_app = typer.Typer(rich_markup_mode=None)


@account_app.command(name="iam-policy")
@takes_request
def iam_policy(
    request: Request, bake: Annotated[bool, typer.Option("--bake", help="That of `dstk bake` instead.")] = False
) -> None:
    """Print the least IAM policy that this configuration needs, as JSON."""
    from dstk_runner.permissions import make_policy

    show_json(make_policy(request.load(), bake=bake))
