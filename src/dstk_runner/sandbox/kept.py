"""The disks of machine images: a container's file system as a Docker image, what Docker stored as volumes.

A store is copied in seconds, whatever its size: the layers of images, which nobody ever writes to, are hard links.
What a container has written is not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath

import docker
from docker.errors import APIError, NotFound

from dstk_runner.sandbox.engine import find_capabilities
from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.images import ensure_host_image

#: The repository of the images that were made of instances.
REPOSITORY = "dstk-sandbox-ami"

#: $1 and $2 are volumes. What an image's layer holds is left shared; Docker's own records, and what containers have
#: written, are copied.
_CLONE = r"""
set -eu
from=/volumes/$1/_data to=/volumes/$2/_data
find "$to" -mindepth 1 -delete
cp -al "$from/." "$to/"
own() {
  find "$@" -type f -links +1 -exec sh -c '
    for file; do cp -a "$file" "$file.own" && mv -f "$file.own" "$file"; done' sh {} +
}
own "$to" -path '*/overlay2/*/diff' -prune -o
for mount in "$to"/image/overlay2/layerdb/mounts/*/mount-id "$to"/*/image/overlay2/layerdb/mounts/*/mount-id; do
  if [ -e "$mount" ]; then own "${mount%/image/*}/overlay2/$(cat "$mount")/diff"; fi
done
"""


class KeptDisks:
    """Keeps what is on the disks of one sandbox's instances."""

    def __init__(self, docker_client: docker.DockerClient, labels: Mapping[str, str]) -> None:
        """Take the daemon, and the labels that mark what is this sandbox's."""
        self._client = docker_client
        self._labels = dict(labels)

    def keep(self, container: str, name: str, stores: Iterable[str]) -> None:
        """Keep the file system and the volumes of a container that does not run."""
        changes = [f"LABEL {key}={value}" for key, value in self._labels.items()]
        self._client.api.commit(container, repository=REPOSITORY, tag=name, changes=changes)
        for store in stores:
            self.ensure_volume(f"{name}-{store}", self._labels, copy_of=f"{container}-{store}")

    def find_image(self, name: str) -> str:
        """Return the image to begin with, or raise SandboxError where it is not kept any more."""
        image = f"{REPOSITORY}:{name}"
        if not self._client.api.images(image, quiet=True):
            raise SandboxError(f"the disks of {name} are gone")
        return image

    def find_kept(self) -> set[str]:
        """Return the names of all that is kept."""
        filters = {"label": [f"{key}={value}" for key, value in self._labels.items()]}
        found = self._client.api.images(REPOSITORY, filters=filters)
        return {tag.partition(":")[2] for image in found for tag in image["RepoTags"] or ()}

    def remove(self, name: str, stores: Iterable[str]) -> None:
        """Keep it no more. An image that instances still use stays until the sandbox ends."""
        with suppress(APIError):
            self._client.api.remove_image(f"{REPOSITORY}:{name}")
        self.remove_volumes(name, stores)

    def remove_volumes(self, name: str, stores: Iterable[str]) -> None:
        """Remove the volumes of a container or of what is kept; those that are absent are fine."""
        for store in stores:
            with suppress(NotFound):
                self._client.api.remove_volume(f"{name}-{store}", force=True)

    def ensure_volume(self, name: str, labels: Mapping[str, str], *, copy_of: str | None = None) -> None:
        """Make a volume, empty or as a copy of another."""
        made = self._client.api.create_volume(name, labels=dict(labels))
        if copy_of is None:
            return
        # links are made within one mount: the folder of all volumes, as the daemon sees it
        folder = str(PurePosixPath(made["Mountpoint"]).parent.parent)
        self._client.containers.run(
            ensure_host_image(lambda _: None),  # it is there, and has what the copy needs
            ["sh", "-c", _CLONE, "sh", copy_of, name],
            entrypoint="",
            volumes=[f"{folder}:/volumes"],
            cap_add=list(find_capabilities()),
            network_mode="none",
            remove=True,
        )
