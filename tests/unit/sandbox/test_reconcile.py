"""The loop, against hosts that do at once what they are told and remember it."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow

from dstk_runner.sandbox.ec2 import SandboxEC2, working_on
from dstk_runner.sandbox.host import Disk, HostSpec, State
from dstk_runner.sandbox.lifecycle import SandboxInstance
from dstk_runner.sandbox.machine_images import MachineImage
from dstk_runner.sandbox.reconcile import LOOK, TRIES, Reconciler, TimedHosts, find_spec
from dstk_runner.sandbox.wire import Call

REGION = "us-west-2"

Launch = Callable[..., SandboxInstance]


class ObedientHosts:
    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.disks: dict[str, tuple[Disk, ...]] = {}
        self.specs: list[HostSpec] = []
        self.baked: dict[str, State] = {}
        self.broken = False
        self.after_ensure: State = "running"

    def ensure(self, spec: HostSpec) -> None:
        self.specs.append(spec)
        if self.broken:
            raise RuntimeError("no room on the disk")
        self.states[spec.instance_id] = self.after_ensure

    def state(self, instance_id: str) -> State:
        return self.states.get(instance_id, "absent")

    def host_keys(self, instance_id: str) -> list[str]:
        return [f"ssh-ed25519 AAAA{instance_id}"] if self.states.get(instance_id) == "running" else []

    def ensure_disks(self, spec: HostSpec) -> None:
        self.disks[spec.instance_id] = spec.disks

    def stop(self, instance_id: str) -> None:
        self.states[instance_id] = "exited"

    def remove(self, instance_id: str) -> None:
        self.states.pop(instance_id, None)

    def instance_ids(self) -> set[str]:
        return set(self.states)

    def bake(self, instance_id: str, image_id: str) -> None:
        if self.broken:
            raise RuntimeError("no room on the disk")
        self.baked[image_id] = self.states[instance_id]

    def image_ids(self) -> set[str]:
        return set(self.baked)

    def remove_image(self, image_id: str) -> None:
        del self.baked[image_id]


@pytest.fixture
def hosts() -> ObedientHosts:
    return ObedientHosts()


@pytest.fixture
def reconciler(backend: SandboxEC2, hosts: ObedientHosts) -> Iterator[Reconciler]:
    reconciler = Reconciler(threading.RLock(), hosts)
    yield reconciler
    reconciler.end()


def tick_until(reconciler: Reconciler, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline, "it never came to that"
        reconciler.tick()
        time.sleep(0.01)


def run(reconciler: Reconciler, instance: SandboxInstance) -> SandboxInstance:
    tick_until(reconciler, lambda: instance.state == "running")
    return instance


def test_a_pending_instance_gets_a_host_and_runs(reconciler: Reconciler, hosts: ObedientHosts, launch: Launch) -> None:
    instance = run(reconciler, launch())
    assert hosts.states == {instance.id: "running"}


def test_a_host_that_still_boots_counts_as_running(
    reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    hosts.after_ensure = "booting"
    run(reconciler, launch())


def test_a_host_that_was_made_but_did_not_start_does_not_count(
    reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    hosts.broken = True
    instance = launch()
    hosts.states[instance.id] = "booting"
    tick_until(reconciler, lambda: instance.state != "pending")
    assert instance.state == "shutting-down"


def test_a_stopped_instance_keeps_its_host(reconciler: Reconciler, hosts: ObedientHosts, launch: Launch) -> None:
    instance = run(reconciler, launch())
    instance.stop()
    tick_until(reconciler, lambda: instance.state == "stopped")
    assert hosts.states == {instance.id: "exited"}


def test_a_started_instance_has_its_host_again(reconciler: Reconciler, hosts: ObedientHosts, launch: Launch) -> None:
    instance = run(reconciler, launch())
    instance.stop()
    tick_until(reconciler, lambda: instance.state == "stopped")
    instance.start()
    run(reconciler, instance)
    assert hosts.states == {instance.id: "running"}


def test_a_terminated_instance_has_no_host(reconciler: Reconciler, hosts: ObedientHosts, launch: Launch) -> None:
    instance = run(reconciler, launch())
    instance.terminate()
    tick_until(reconciler, lambda: instance.state == "terminated")
    assert hosts.states == {}


def test_an_instance_terminated_while_pending_ends(
    reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    instance = launch()
    instance.terminate()
    tick_until(reconciler, lambda: instance.state == "terminated")
    assert hosts.states == {}


def test_a_host_that_reboots_itself_is_started_again(
    reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    instance = run(reconciler, launch())
    hosts.states[instance.id] = "rebooting"
    tick_until(reconciler, lambda: hosts.states[instance.id] == "running")
    assert instance.state == "running"


def test_a_guest_that_powers_off_is_stopped(reconciler: Reconciler, hosts: ObedientHosts, launch: Launch) -> None:
    instance = run(reconciler, launch())
    hosts.states[instance.id] = "exited"
    tick_until(reconciler, lambda: instance.state == "stopped")
    assert instance.state_reason.code == "Client.InstanceInitiatedShutdown"


def test_a_guest_that_powers_off_ends_if_the_launch_said_so(
    reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    instance = run(reconciler, launch(instance_initiated_shutdown_behavior="terminate"))
    hosts.states[instance.id] = "exited"
    tick_until(reconciler, lambda: instance.state == "terminated")


def test_an_instance_whose_host_was_taken_away_ends(
    reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    instance = run(reconciler, launch())
    hosts.states.clear()
    tick_until(reconciler, lambda: instance.state == "terminated")
    assert instance.state_reason.code == "Server.InternalError"


def test_an_instance_that_gets_no_host_ends_and_says_why(
    reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    hosts.broken = True
    instance = launch()
    tick_until(reconciler, lambda: instance.state == "terminated")
    assert (len(hosts.specs), instance.state_reason.message) == (
        TRIES,
        "Server.InternalError: no room on the disk",
    )


def test_a_reboot_restarts_the_host(reconciler: Reconciler, hosts: ObedientHosts, launch: Launch) -> None:
    instance = run(reconciler, launch())
    instance.reboot()
    tick_until(reconciler, lambda: len(hosts.specs) == 2)
    assert instance.state == "running"


def test_hosts_without_instance_are_removed_at_the_start(reconciler: Reconciler, hosts: ObedientHosts) -> None:
    hosts.states["i-0123456789abcdef0"] = "running"
    reconciler.start()
    tick_until(reconciler, lambda: not hosts.states)


def test_one_slow_host_delays_no_other(reconciler: Reconciler, hosts: ObedientHosts, launch: Launch) -> None:
    slow, quick = launch(), launch()
    release = threading.Event()
    ensure = hosts.ensure

    def ensure_slowly(spec: HostSpec) -> None:
        if spec.instance_id == slow.id:
            release.wait(5)
        ensure(spec)

    hosts.ensure = ensure_slowly  # type: ignore[method-assign]
    run(reconciler, quick)
    assert slow.state == "pending"
    release.set()


def test_running_instances_are_looked_at_now_and_then(
    reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    instance = launch()
    run(reconciler, instance)
    while not instance.console:
        reconciler.tick()
    looks = 0
    state = hosts.state

    def count(instance_id: str) -> State:
        nonlocal looks
        looks += 1
        return state(instance_id)

    hosts.state = count  # type: ignore[method-assign]
    for _ in range(3 * LOOK):
        reconciler.tick()
    assert looks == 3


def test_an_instance_that_ended_long_ago_is_forgotten(
    reconciler: Reconciler, backend: SandboxEC2, launch: Launch
) -> None:
    instance = run(reconciler, launch())
    instance.terminate()
    tick_until(reconciler, lambda: instance.state == "terminated")
    instance.entered_at = utcnow() - timedelta(hours=2)
    reconciler.tick()
    assert instance not in backend.all_instances()


def test_a_host_knows_what_cloud_init_would_tell_it(backend: SandboxEC2, launch: Launch) -> None:
    backend.create_key_pair("mine", "ed25519", {})
    encoded = Base64EncodedString(base64.b64encode(b"#!/bin/sh\n").decode())
    instance = launch(key_name="mine")
    instance.user_data = encoded
    spec = find_spec(instance)
    assert spec.public_keys[0].startswith("ssh-ed25519 ")
    assert spec.user_data == "#!/bin/sh\n"
    assert spec.hostname == f"ip-{str(instance.private_ip).replace('.', '-')}"


def test_a_key_pair_deleted_after_the_launch_still_opens_the_host(backend: SandboxEC2, launch: Launch) -> None:
    backend.create_key_pair("mine", "ed25519", {})
    instance = launch(key_name="mine")
    backend.delete_key_pair("mine")
    assert find_spec(instance).public_keys


@pytest.mark.parametrize(("moment", "expected"), [(0.9, "absent"), (1.0, "running")])
def test_timed_hosts_run_after_a_moment(moment: float, expected: str) -> None:
    now = 0.0
    hosts = TimedHosts(moment=1.0, clock=lambda: now)
    hosts.ensure(HostSpec("i-1", (), "ip-10-0-0-1"))
    now = moment
    assert hosts.state("i-1") == expected


def test_asking_timed_hosts_again_does_not_begin_again() -> None:
    now = 0.0
    hosts = TimedHosts(moment=1.0, clock=lambda: now)
    hosts.ensure(HostSpec("i-1", (), "ip-10-0-0-1"))
    now = 0.5
    hosts.ensure(HostSpec("i-1", (), "ip-10-0-0-1"))
    now = 1.0
    assert hosts.state("i-1") == "running"


def test_a_running_host_gets_a_volume_and_loses_it(
    reconciler: Reconciler, hosts: ObedientHosts, backend: SandboxEC2, launch: Launch
) -> None:
    instance = run(reconciler, launch())
    volume = backend.create_volume(3, f"{REGION}a")
    with working_on(Call("ec2", REGION, "AttachVolume", "ec2", None)):
        attachment = backend.attach_volume(volume.id, instance.id, "/dev/sdf")
    assert attachment is not None
    tick_until(reconciler, lambda: attachment.status == "attached")
    assert hosts.disks == {instance.id: (Disk(volume.id, "nvme5n1", 3),)}
    with working_on(Call("ec2", REGION, "DetachVolume", "ec2", None)):
        backend.detach_volume(volume.id, instance.id, "")
    tick_until(reconciler, lambda: volume.attachment is None)
    assert hosts.disks == {instance.id: ()}


def make_image(backend: SandboxEC2, instance: SandboxInstance) -> MachineImage:
    image = backend.create_image(instance.id, "baked", "", [])
    assert isinstance(image, MachineImage)
    return image


def test_an_image_is_there_once_the_disks_are_kept(
    backend: SandboxEC2, reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    image = make_image(backend, run(reconciler, launch()))
    assert image.state == "pending"
    tick_until(reconciler, lambda: image.state == "available")
    assert hosts.baked == {image.id: "running"}


def test_an_instance_that_ends_at_once_is_in_its_image(
    backend: SandboxEC2, reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    instance = run(reconciler, launch())
    image = make_image(backend, instance)
    instance.terminate()
    tick_until(reconciler, lambda: instance.state == "terminated")
    assert (image.state, hosts.baked) == ("available", {image.id: "running"})


def test_an_image_whose_disks_cannot_be_kept_has_failed(
    backend: SandboxEC2, reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    instance = run(reconciler, launch())
    hosts.broken = True
    image = make_image(backend, instance)
    tick_until(reconciler, lambda: image.state == "failed")


def test_the_disks_of_an_image_go_with_it(
    backend: SandboxEC2, reconciler: Reconciler, hosts: ObedientHosts, launch: Launch
) -> None:
    image = make_image(backend, run(reconciler, launch()))
    tick_until(reconciler, lambda: image.state == "available")
    backend.deregister_image(image.id)
    tick_until(reconciler, lambda: hosts.baked == {})


def test_a_host_begins_with_the_image_that_its_instance_was_launched_from(
    backend: SandboxEC2, reconciler: Reconciler, launch: Launch
) -> None:
    first = run(reconciler, launch())
    image = make_image(backend, first)
    tick_until(reconciler, lambda: image.state == "available")
    assert (find_spec(first).image, find_spec(launch(image_id=image.id)).image) == ("", image.id)
