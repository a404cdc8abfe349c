"""Machine images of one's own, with Docker and the notebook image inside, which new hosts begin with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstk_runner.api import NO_CLASS, find_obstacles
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.events import OnEvent
from dstk_runner.resources import find_builders
from dstk_runner.results import Failure, Json, open_document
from dstk_runner.session import Request, open_request, run_for

if TYPE_CHECKING:
    from dstk_runner.config import Config
    from dstk_runner.playbooks import PlaybookResult

__all__ = ["Baking", "MachineImage", "bake", "delete_images", "list_images"]


@dataclass(frozen=True, kw_only=True)
class MachineImage:
    """A baked image. `size` is that of its disk in GB.

    `usd_month` is what its snapshots cost a month at most, for AWS bills what is used of the disk; None where the price
    of the region is not known.
    """

    id: str
    name: str
    state: str
    created: str
    ubuntu: str
    architecture: str
    notebook_image: str
    size: int
    usd_month: float | None = None

    def to_json(self) -> Json:
        """Return the image as it stands in the documents."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Baking:
    """What `bake` made or, where `image_id` is empty, found: `images` are all that are there, the newest first.

    `removed` are the images that went, `removed_snapshots` snapshots whose image was gone before. `price` is what a GB
    of a snapshot costs a month: `usd`, None where nobody knows, with `source` and `date`.
    """

    deployment: str
    region: str
    image_id: str = ""
    removed: tuple[str, ...] = ()
    removed_snapshots: tuple[str, ...] = ()
    price: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[MachineImage, ...] = ()
    failures: tuple[Failure, ...] = ()
    log: Path | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.failures

    def to_json(self) -> Json:
        """Return the document of `dstk bake --json`."""
        return {
            **open_document(self),
            "image_id": self.image_id,
            "removed": list(self.removed),
            "removed_snapshots": list(self.removed_snapshots),
            "price": dict(self.price),
            "images": [image.to_json() for image in self.images],
            "failures": [failure.to_json() for failure in self.failures],
        }


def bake(config: Request = None, *, keep: int = 2, on_event: OnEvent | None = None, **overrides: Any) -> Baking:
    """Make a machine image of a host as `deploy` makes them, for new hosts to begin with. Raises what `deploy` does.

    The host is a new one in a deployment of its own, `<deployment>-bake`, and is gone afterwards. What an interrupted
    run left is removed by the next one.

    Args:
        config: a path, a mapping, a Config, or None for ./dstk.yml, where that exists.
        keep: how many images of an architecture and of a notebook image, whatever its tag, are kept.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.
    """
    if keep < 1:
        raise ConfigError([Mistake("", "--keep", f"{keep} would remove the new image, too", "1 or more")])
    with open_request(config, {**NO_CLASS, **overrides}, on_event) as wanted:
        failures = find_obstacles(wanted, on_event)
        if failures:
            return Baking(deployment=wanted.deployment, region=wanted.region, failures=failures)
        return _run("bake", wanted, {"dstk_keep": keep}, on_event)


def list_images(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Baking:
    """Return the machine images of the region, whoever baked them. Takes and raises what `deploy` does."""
    with open_request(config, {**NO_CLASS, **overrides}, on_event) as wanted:
        return _run("images", wanted, {}, on_event)


def delete_images(
    config: Request = None, *, images: Iterable[str], on_event: OnEvent | None = None, **overrides: Any
) -> Baking:
    """Remove machine images and their snapshots: ids, or `all`. Hosts that began with them go on."""
    with open_request(config, {**NO_CLASS, **overrides}, on_event) as wanted:
        return _run("images", wanted, {"dstk_delete_images": list(images)}, on_event)


def _run(name: str, config: Config, extra: Mapping[str, Any], on_event: OnEvent | None) -> Baking:
    from dstk_runner.state import hold_lock, new_log

    # the deployment itself is free meanwhile
    with hold_lock(replace(config, deployment=find_builders(config.deployment)), "bake") as run:
        log = new_log(config, name)
        return _read(config, run_for(name, config, on_event, log, run_id=run, extra=extra), log)


def _read(config: Config, result: PlaybookResult, log: Path) -> Baking:
    told: Mapping[str, Any] = result.stats.get("dstk_baked", {})
    names = MachineImage.__dataclass_fields__
    images = [{**row, "id": row["image_id"]} for row in told.get("images", ())]
    fix = f"{log} tells more; the same command, run again, begins anew"
    return Baking(
        deployment=config.deployment,
        region=config.region,
        image_id=str(told.get("image_id", "")),
        removed=tuple(told.get("removed", ())),
        removed_snapshots=tuple(told.get("removed_snapshots", ())),
        price=dict(told.get("price", {})),
        images=tuple(MachineImage(**{name: row[name] for name in names}) for row in images),
        failures=tuple(replace(failure, fix=failure.fix or fix) for failure in result.failures),
        log=log,
    )
