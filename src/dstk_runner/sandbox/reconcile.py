"""The loop that makes hosts follow the API, and the API follow the hosts."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto.core.utils import utcnow

from dstk_runner.sandbox.block_storage import find_attachments, find_disks
from dstk_runner.sandbox.consoles import render_console
from dstk_runner.sandbox.ec2 import find_instances, find_own_images
from dstk_runner.sandbox.host import Disk, HostSpec, State
from dstk_runner.sandbox.lifecycle import SandboxInstance
from dstk_runner.sandbox.machine_images import MachineImage
from dstk_runner.sandbox.own_images import find_own_image

TICK = 0.25
#: Ticks between two looks at a host that should be running and that nobody asked anything of.
LOOK = 4
#: How often a host is tried before its instance counts as failed.
TRIES = 3
#: How long AWS tells of an instance that has ended.
MEMORY = timedelta(hours=1)
WORKERS = 8
#: States of a host that somebody has to do something about while its instance runs.
ENDED = ("exited", "rebooting", "absent")

log = logging.getLogger(__name__)


class Hosts(Protocol):
    """What stands behind instances: containers, or nothing but time."""

    def ensure(self, spec: HostSpec) -> None:
        """Create or start a host."""

    def state(self, instance_id: str) -> State:
        """Say how it is."""

    def host_keys(self, instance_id: str) -> list[str]:
        """Return the public host keys of its sshd, none while it has none."""

    def ensure_disks(self, spec: HostSpec) -> None:
        """Let a running host have these volumes, and no others."""

    def stop(self, instance_id: str) -> None:
        """Stop it and keep its disk."""

    def remove(self, instance_id: str) -> None:
        """Remove it with its disk."""

    def instance_ids(self) -> set[str]:
        """Return the instances that have a host."""

    def bake(self, instance_id: str, image_id: str) -> None:
        """Keep what a host holds, for hosts that shall begin with it."""

    def image_ids(self) -> set[str]:
        """Return the images that are kept."""

    def remove_image(self, image_id: str) -> None:
        """Keep an image no more."""


class Reconciler:
    """Compares what users asked for with what is, every quarter of a second, and has the difference worked off."""

    def __init__(
        self, lock: AbstractContextManager[object], hosts: Hosts, *, after: Callable[[], None] = lambda: None
    ) -> None:
        """Take the lock under which the API changes, the hosts, and what to do after every look."""
        self._lock = lock
        self._hosts = hosts
        self._after = after
        self._busy: set[str] = set()
        #: Pending instances whose host was made or started; one that only exists may still have failed to start.
        self._made: set[str] = set()
        self._failures: Counter[str] = Counter()
        #: The volumes that each host was told of last.
        self._disks: dict[str, tuple[Disk, ...]] = {}
        #: Images whose disks are kept.
        self._kept: set[str] = set()
        self._ticks = 0
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(WORKERS, "host")
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Remove the hosts that no instance owns, and begin."""
        with self._lock:
            known = {instance.id for _, instance in find_instances()}
            images = {image.id for image in find_own_images()}
        self._kept = self._hosts.image_ids() | images
        for instance_id in self._hosts.instance_ids() - known:
            log.info("%s is left over from an earlier sandbox", instance_id)
            self._submit(instance_id, partial(self._hosts.remove, instance_id))
        self._thread.start()

    def end(self) -> None:
        """Look no more, and wait for what is being done to hosts."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def tick(self) -> None:
        """Look once at everything."""
        with self._lock:
            seen = [(backend, instance, instance.state) for backend, instance in find_instances()]
            images = find_own_images()
        self._ticks += 1
        # first, for an instance may be ended as soon as its image is asked for
        self._follow_images(images)
        for backend, instance, state in seen:
            if instance.id in self._busy:
                continue
            if state == "terminated":
                if instance.entered_at < utcnow() - MEMORY:
                    with self._lock:
                        backend.forget(instance)
            else:
                self._follow(instance, state)
        self._after()

    def _follow_images(self, images: list[MachineImage]) -> None:
        """Make the images that are asked for, one after the other, and let go of those that are no more."""
        for image in images:
            if image.state == "pending" and not {image.id, image.instance_id} & self._busy:
                self._busy.add(image.id)
                self._submit(str(image.instance_id), partial(self._bake, image))
        for image_id in self._kept - {image.id for image in images} - self._busy:
            self._kept.discard(image_id)
            self._submit(image_id, partial(self._hosts.remove_image, image_id))

    def _bake(self, image: MachineImage) -> None:
        state = "failed"
        try:
            self._hosts.bake(str(image.instance_id), image.id)
            state = "available"
        finally:
            with self._lock:
                image.state = state
            self._kept.add(image.id)
            self._busy.discard(image.id)

    def _follow(self, instance: SandboxInstance, state: str) -> None:
        """Bring one host a step nearer to its instance's state, or end the state it has reached."""
        if state == "running":
            self._watch(instance)
            return
        is_there = self._hosts.state(instance.id)
        with self._lock:
            if state == "pending":
                if is_there in ("booting", "running") and instance.id in self._made:
                    self._made.discard(instance.id)
                    self._failures.pop(instance.id, None)
                    instance.settle_running()
                else:
                    self._submit(instance.id, partial(self._ensure, instance))
            elif state == "stopping":
                if is_there in ("exited", "rebooting", "absent"):
                    instance.settle_stopped()
                else:
                    self._submit(instance.id, partial(self._hosts.stop, instance.id))
            elif state == "shutting-down":
                if is_there == "absent":
                    instance.settle_terminated()
                else:
                    self._submit(instance.id, partial(self._hosts.remove, instance.id))

    def _watch(self, instance: SandboxInstance) -> None:
        """Restart a running instance if that is wanted; notice what it writes, and that it ended by itself."""
        if instance.reboot_wanted:
            instance.reboot_wanted = False
            self._submit(instance.id, partial(self._restart, instance))
        elif self._ticks % LOOK == 0 and (state := self._hosts.state(instance.id)) in ENDED:
            with self._lock:
                if instance.state != "running":
                    return
                if state == "rebooting":
                    self._submit(instance.id, partial(self._ensure, instance))
                elif state == "exited":
                    log.info("%s shut itself down", instance.id)
                    instance.shut_down_from_within()
                else:
                    log.warning("the host of %s is gone", instance.id)
                    instance.fail("the host is gone")
        elif self._disks.get(instance.id) != find_disks(instance):
            self._submit(instance.id, partial(self._change_disks, instance))
        elif not instance.console:
            self._submit(instance.id, partial(self._read_console, instance))

    def _ensure(self, instance: SandboxInstance) -> None:
        try:
            spec = find_spec(instance)
            self._hosts.ensure(spec)
            self._disks[instance.id] = spec.disks
            self._made.add(instance.id)
        except Exception as error:  # whatever went wrong, the user must see it on the instance
            log.exception("no host for %s", instance.id)
            self._failures[instance.id] += 1
            if self._failures[instance.id] >= TRIES:
                with self._lock:
                    instance.fail(str(error))

    def _read_console(self, instance: SandboxInstance) -> None:
        instance.console = render_console(self._hosts.host_keys(instance.id))

    def _change_disks(self, instance: SandboxInstance) -> None:
        """Let a running host have the volumes that the API says, and say when it has them, or has them no more."""
        with self._lock:
            spec = find_spec(instance)
        self._hosts.ensure_disks(spec)
        with self._lock:
            self._disks[instance.id] = spec.disks
            for attachment in find_attachments(instance):
                if attachment.volume_id in {disk.volume_id for disk in spec.disks}:
                    attachment.status = "attached"
                elif attachment.status == "detaching":
                    instance.ec2_backend.settle_detached(attachment.volume_id, instance.id)

    def _restart(self, instance: SandboxInstance) -> None:
        self._hosts.stop(instance.id)
        spec = find_spec(instance)
        self._hosts.ensure(spec)
        self._disks[instance.id] = spec.disks

    def _submit(self, instance_id: str, work: Callable[[], None]) -> None:
        def job() -> None:
            try:
                work()
            except Exception:
                log.exception("%s: will be tried again", instance_id)
            finally:
                self._busy.discard(instance_id)

        self._busy.add(instance_id)
        self._pool.submit(job)

    def _run(self) -> None:
        while not self._ended.wait(TICK):
            try:
                self.tick()
            except Exception:
                log.exception("a look at the hosts failed")


def find_spec(instance: SandboxInstance) -> HostSpec:
    """Return what a host must be like to stand for the instance."""
    user_data = base64.b64decode(str(instance.user_data or "")).decode("utf-8", "replace")
    hostname = instance.private_dns_name.split(".")[0]
    return HostSpec(
        instance.id,
        public_keys=instance.public_keys,
        hostname=hostname,
        user_data=user_data,
        disks=find_disks(instance),
        image=find_own_image(instance),
        metadata={
            "instance-id": instance.id,
            "instance-type": str(instance.instance_type),
            "instance-life-cycle": instance.lifecycle or "on-demand",
            "placement/availability-zone": str(instance.placement.zone),
        },
    )


class TimedHosts:
    """Hosts that are nothing but time: what is asked of one has happened a moment later."""

    def __init__(self, *, moment: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Take how long, in seconds, everything takes."""
        self._moment = moment
        self._clock = clock
        self._states: dict[str, tuple[State, State, float]] = {}

    def ensure(self, spec: HostSpec) -> None:
        """Run after a moment."""
        self._change(spec.instance_id, "running")

    def state(self, instance_id: str) -> State:
        """Return the earlier state until the moment has passed."""
        before, after, since = self._states.get(instance_id, ("absent", "absent", 0.0))
        return after if self._clock() - since >= self._moment else before

    def host_keys(self, instance_id: str) -> list[str]:
        """Return a key as a machine would have made it; nobody has its other half."""
        key = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return [f"{key.decode()} root@{instance_id}"] if self.state(instance_id) == "running" else []

    def ensure_disks(self, spec: HostSpec) -> None:
        """Take a moment; nothing is ever on them."""
        time.sleep(self._moment)

    def stop(self, instance_id: str) -> None:
        """Have exited after a moment."""
        self._change(instance_id, "exited")

    def remove(self, instance_id: str) -> None:
        """Be absent after a moment."""
        self._change(instance_id, "absent")

    def instance_ids(self) -> set[str]:
        """Nothing outlives the process."""
        return set()

    def bake(self, instance_id: str, image_id: str) -> None:
        """Take a moment; there is nothing to keep."""
        time.sleep(self._moment)

    def image_ids(self) -> set[str]:
        """Nothing is kept."""
        return set()

    def remove_image(self, image_id: str) -> None:
        """Nothing was kept."""

    def _change(self, instance_id: str, state: State) -> None:
        if self._states.get(instance_id, ("absent", "absent", 0.0))[1] != state:
            self._states[instance_id] = (self.state(instance_id), state, self._clock())
