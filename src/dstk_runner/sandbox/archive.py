"""Files on their way into a container, and out of one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass

import docker
from docker.errors import NotFound


@dataclass(frozen=True)
class File:
    """A file as it shall be in the container: path from the root, content, mode and owner."""

    path: str
    content: str
    mode: int = 0o644
    owner: int = 0


@dataclass(frozen=True)
class Folder:
    """A folder that shall be in the container, made before the files after it."""

    path: str
    mode: int = 0o755
    owner: int = 0


def put_files(docker_client: docker.DockerClient, container: str, entries: Iterable[File | Folder]) -> None:
    """Write files and folders into a container, which may be running or not."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry.path.lstrip("/"))
            info.mode, info.uid, info.gid = entry.mode, entry.owner, entry.owner
            if isinstance(entry, Folder):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                data = entry.content.encode()
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    docker_client.api.put_archive(container, "/", stream.getvalue())


def find_file(docker_client: docker.DockerClient, container: str, path: str) -> str | None:
    """Return the text of a file in a container, or None where container or file is missing."""
    try:
        stream, _ = docker_client.api.get_archive(container, path)
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        return member.read().decode() if member else None
