"""EC2 instances as containers: systemd, sshd, the user ubuntu, and room for a Docker daemon of their own."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound

from dstk_runner.sandbox.archive import File, Folder, put_files
from dstk_runner.sandbox.disks import LoopDisks
from dstk_runner.sandbox.engine import client, find_capabilities
from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.folder import find_label
from dstk_runner.sandbox.host import HostSpec, State
from dstk_runner.sandbox.images import ensure_host_image
from dstk_runner.sandbox.kept import KeptDisks
from dstk_runner.sandbox.network import Network, ensure_network, find_nameservers, remove_network
from dstk_runner.sandbox.notebook import find_machine_pip_settings
from dstk_runner.sandbox.packages import Progress
from dstk_runner.sandbox.registry import NAME as REGISTRY
from dstk_runner.sandbox.registry import find_authority, remove_registry
from dstk_runner.sandbox.turns import Share

LABEL = "dstk.sandbox"
PREFIX = "dstk-"

USER = "ubuntu"
USER_ID = 1000
SSH_PORT = 22

#: Where an instance keeps what Docker inside it stores: on volumes, since overlay file systems do not stack.
STORES = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}

#: Which of the kernel's loop devices are volumes of the instance; its `udevadm` reads it.
DISKS = "/etc/attached-volumes"

#: What the instance's metadata service tells, by path.
METADATA = "/etc/instance-metadata.json"

#: Where a spot instance reads that it is taken back.
NOTICE = "spot/instance-action"

#: How long an instance may take to shut down before it is ended by force, in seconds.
STOP_TIMEOUT = 20

#: How Docker tells of a container in which `reboot` was called: the kernel ends its first process with SIGHUP.
_REBOOTED = "Exited (129)"

#: How long one look at the daemon's list of containers is good for; a loop asks for every instance at once.
_LOOK_SECONDS = 0.2


class HostDriver:
    """Makes, stops and removes the containers that stand for one sandbox's instances. Safe to use from threads."""

    def __init__(self, folder: Path, *, on_progress: Progress = lambda _: None) -> None:
        """Take the sandbox's folder, which marks its containers as its own."""
        self._label = find_label(folder)
        self._on_progress = on_progress
        self._disks = LoopDisks(folder)
        self._attached: dict[str, set[str]] = {}
        self._metadata: dict[str, dict[str, str]] = {}
        self._share = Share()
        self._client = client(timeout=600)
        self._kept = KeptDisks(self._client, {LABEL: self._label})
        self._lock = threading.Lock()
        self._looked_at = 0.0
        self._found: dict[str, dict[str, Any]] = {}
        self._answered: set[str] = set()

    def close(self) -> None:
        """Let go of the connection to Docker; the containers stay."""
        self._client.close()
        self._share.close()

    def ensure(self, spec: HostSpec) -> None:
        """Create the instance where it is absent, and start it where it is not running."""
        container = self._look(fresh=True).get(spec.instance_id)
        if container is not None and container["State"] == "running":
            return
        if container is None or container["State"] == "removing":
            fresh = ensure_host_image(self._on_progress)
            image = self._kept.find_image(find_name(spec.image)) if spec.image else fresh
            self._create(spec, image, ensure_network(self._client))
        self._answered.discard(spec.instance_id)
        self._list_disks(spec)
        self._metadata[spec.instance_id] = dict(spec.metadata)
        self.ensure_notice(spec.instance_id, None)
        self._client.api.start(find_name(spec.instance_id))
        self._forget()

    def ensure_disks(self, spec: HostSpec) -> None:
        """Let a running instance have these volumes, and no others."""
        self._list_disks(spec)
        job = self._client.api.exec_create(find_name(spec.instance_id), ["udevadm", "trigger"])
        self._client.api.exec_start(job["Id"])
        self._release(spec.instance_id, {disk.volume_id for disk in spec.disks})

    def ensure_notice(self, instance_id: str, notice: Mapping[str, str] | None) -> None:
        """Let an instance's metadata service tell that the instance is taken back, or that it is not.

        Args:
            instance_id: an instance that was started by this driver. What it is told ends with its next start.
            notice: such as {"action": "stop", "time": "2026-11-26T04:00:00Z"}; None where there is none.
        """
        told = self._metadata[instance_id]
        if notice is None:
            told.pop(NOTICE, None)
        else:
            told[NOTICE] = json.dumps(dict(notice))
        put_files(self._client, find_name(instance_id), [File(METADATA, json.dumps(told))])

    def state(self, instance_id: str) -> State:
        """Tell how far an instance is; it counts as running once its sshd takes connections."""
        container = self._look().get(instance_id)
        if container is None:
            return "absent"
        if container["State"] != "running":
            self._answered.discard(instance_id)
            if container["Status"].startswith(_REBOOTED):
                return "rebooting"
            return "exited" if container["State"] in ("exited", "dead") else "booting"
        if instance_id not in self._answered:
            address = _address(container)
            if address is None or not _listens(address, SSH_PORT):
                return "booting"
            self._answered.add(instance_id)
        return "running"

    def address(self, instance_id: str) -> str | None:
        """Return the private address under which this machine reaches a running instance."""
        container = self._look().get(instance_id)
        return _address(container) if container and container["State"] == "running" else None

    def host_keys(self, instance_id: str) -> list[str]:
        """Return the public host keys of an instance's sshd, none before it takes connections."""
        if self.state(instance_id) != "running":
            return []
        command = ["sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub"]
        job = self._client.api.exec_create(find_name(instance_id), command, stderr=False)
        output: bytes = self._client.api.exec_start(job["Id"])
        return output.decode().splitlines()

    def stop(self, instance_id: str) -> None:
        """Shut an instance down as its own `poweroff` would; after a while, by force."""
        with suppress(NotFound):
            self._client.api.stop(find_name(instance_id), timeout=STOP_TIMEOUT)
        self._release(instance_id)
        self._answered.discard(instance_id)
        self._forget()

    def remove(self, instance_id: str) -> None:
        """Remove an instance and its volumes, at once. One that is absent is fine."""
        with suppress(NotFound):
            self._client.api.remove_container(find_name(instance_id), force=True, v=True)
        self._release(instance_id)
        self._kept.remove_volumes(find_name(instance_id), STORES)
        self._answered.discard(instance_id)
        self._forget()

    def instance_ids(self) -> set[str]:
        """Return the ids of all instances of this sandbox, in whatever state."""
        return set(self._look(fresh=True))

    def remove_all(self) -> None:
        """Remove all instances of this sandbox; where no other sandbox is left, the registry and the network too."""
        for instance_id in self.instance_ids():
            self.remove(instance_id)
        for image_id in self.image_ids():
            self.remove_image(image_id)
        # volumes whose container went away by other hands
        for volume in self._client.api.volumes(filters={"label": f"{LABEL}={self._label}"})["Volumes"] or ():
            self._client.api.remove_volume(volume["Name"], force=True)
        self._disks.clear()
        with self._share.as_the_last() as is_last:
            if is_last and not self._client.api.containers(all=True, quiet=True, filters={"label": LABEL}):
                remove_registry(self._client)
                remove_network(self._client)

    def bake(self, instance_id: str, image_id: str) -> None:
        """Keep the disks of an instance under an image's id. One that runs is stopped meanwhile, as AWS does it."""
        was_running = self.state(instance_id) != "exited"
        if was_running:
            self.stop(instance_id)
        try:
            self._kept.keep(find_name(instance_id), find_name(image_id), STORES)
        finally:
            if was_running:
                self._client.api.start(find_name(instance_id))
            self._forget()

    def image_ids(self) -> set[str]:
        """Return the ids of all images that were made of this sandbox's instances."""
        return {name.removeprefix(PREFIX) for name in self._kept.find_kept()}

    def remove_image(self, image_id: str) -> None:
        """Remove the disks that are kept under an image's id. Instances that began with them go on."""
        self._kept.remove(find_name(image_id), STORES)

    def _create(self, spec: HostSpec, image: str, network: Network) -> None:
        name = find_name(spec.instance_id)
        labels = {LABEL: self._label, f"{LABEL}.instance": spec.instance_id}
        binds = []
        for store, path in STORES.items():
            kept = f"{find_name(spec.image)}-{store}" if spec.image else None
            self._kept.ensure_volume(f"{name}-{store}", labels, copy_of=kept)
            binds.append(f"{name}-{store}:{path}")
        host_config = self._client.api.create_host_config(
            binds=binds,
            # --privileged asks for every capability there is, and fails on machines that lack one
            cap_add=list(find_capabilities()),
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            # homes are file systems in files
            device_cgroup_rules=["c 10:237 rwm", "b 7:* rwm"],
            tmpfs={"/run": "exec,mode=755", "/run/lock": "mode=1777"},
            extra_hosts={REGISTRY: network.registry},
            network_mode=network.name,
        )
        # what `docker run --security-opt systempaths=unconfined` stands for; docker-py has no name for it
        host_config |= {"MaskedPaths": [], "ReadonlyPaths": [], "CgroupnsMode": "private"}
        try:
            self._client.api.create_container(
                image, name=name, hostname=spec.hostname, labels=labels, host_config=host_config
            )
        except APIError as error:
            if error.status_code != 409:  # made by another process in this moment
                raise SandboxError(f"no container can be made for {spec.instance_id}: {error.explanation}") from error
            return
        put_files(self._client, name, self._first_boot(spec))

    def _list_disks(self, spec: HostSpec) -> None:
        """Attach the volumes to this machine's kernel, and tell the instance which of its loop devices they are."""
        self._attached.setdefault(spec.instance_id, set()).update(disk.volume_id for disk in spec.disks)
        lines = [
            f"{disk.node} {self._disks.attach(disk.volume_id, disk.gigabytes)} {disk.volume_id.replace('-', '')}\n"
            for disk in spec.disks
        ]
        put_files(self._client, find_name(spec.instance_id), [File(DISKS, "".join(lines))])

    def _release(self, instance_id: str, kept: Container[str] = ()) -> None:
        """Detach the volumes of an instance from this machine's kernel, but for those that it keeps."""
        known = self._attached.get(instance_id, set())
        for volume_id in [volume_id for volume_id in known if volume_id not in kept]:
            self._disks.detach(volume_id)
            known.discard(volume_id)

    def _first_boot(self, spec: HostSpec) -> Iterator[File | Folder]:
        """What cloud-init would fetch from the metadata service, and how the machine reaches the world."""
        home = f"/home/{USER}/.ssh"
        keys = "".join(f"{key.strip()}\n" for key in spec.public_keys)
        yield Folder(home, 0o700, USER_ID)
        yield File(f"{home}/authorized_keys", keys, 0o600, USER_ID)
        if spec.user_data.startswith("#!"):
            yield Folder("/var/lib/user-data", 0o700)
            yield File("/var/lib/user-data/script", spec.user_data, 0o700)
        nameservers = find_nameservers()
        if nameservers:
            yield File("/etc/resolv.conf.machine", "".join(f"nameserver {address}\n" for address in nameservers))
        packages = find_machine_pip_settings()
        if packages:
            yield File("/etc/pip.conf", packages)
        authority = find_authority(self._client)
        if authority:
            yield Folder("/etc/docker")
            yield Folder("/etc/docker/certs.d")
            yield Folder(f"/etc/docker/certs.d/{REGISTRY}")
            yield File(f"/etc/docker/certs.d/{REGISTRY}/ca.crt", authority)

    def _look(self, *, fresh: bool = False) -> dict[str, dict[str, Any]]:
        """Return the daemon's own summary of each of this sandbox's containers, a moment old at most."""
        with self._lock:
            if fresh or time.monotonic() - self._looked_at > _LOOK_SECONDS:
                found = self._client.api.containers(all=True, filters={"label": f"{LABEL}={self._label}"})
                self._found = {container["Labels"][f"{LABEL}.instance"]: container for container in found}
                self._looked_at = time.monotonic()
            return self._found

    def _forget(self) -> None:
        with self._lock:
            self._looked_at = 0.0


def find_name(instance_id: str) -> str:
    """Return the name of the container that stands for an instance."""
    return f"{PREFIX}{instance_id}"


def _address(container: dict[str, Any]) -> str | None:
    networks = container["NetworkSettings"]["Networks"].values()
    return next((network["IPAddress"] for network in networks if network["IPAddress"]), None)


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=0.3).close()
    except OSError:
        return False
    return True
