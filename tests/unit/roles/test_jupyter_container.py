from __future__ import annotations

import json
from collections.abc import Callable

import pytest

Filters = dict[str, Callable[..., object]]

IMAGE = "quay.io/jupyter/datascience-notebook:2000-01-01"
GB = 1000**3


def manifest(*platforms: int) -> str:
    """What `docker manifest inspect --verbose` prints, with two layers of so many bytes for each platform."""
    return json.dumps([{"OCIManifest": {"layers": [{"size": size}, {"size": size}]}} for size in platforms])


def shortage(filters: Filters, **options: object) -> str:
    options = {"available": 100 * GB, "size": "auto", "manifest": "", "fallback": 6, **options}
    return str(filters["jupyter_container_shortage"](IMAGE, **options))


def test_room_for_two_images_is_enough(jupyter_container: Filters) -> None:
    # 2 x 100 MB to download are 0.6 GB unpacked; twice that and the system's 1 GB
    assert shortage(jupyter_container, manifest=manifest(GB // 10), available=22 * GB // 10) == ""


def test_room_for_one_image_alone_is_refused(jupyter_container: Filters) -> None:
    assert "raise volume_size by 1 GB" in shortage(jupyter_container, manifest=manifest(GB // 10), available=2 * GB)


def test_the_biggest_platform_counts(jupyter_container: Filters) -> None:
    assert "takes about 6.0 GB" in shortage(jupyter_container, manifest=manifest(GB // 10, GB), available=0)


def test_a_manifest_of_one_platform_is_read(jupyter_container: Filters) -> None:
    single = json.dumps({"SchemaV2Manifest": {"layers": [{"size": GB}]}})
    assert "takes about 3.0 GB" in shortage(jupyter_container, manifest=single, available=0)


@pytest.mark.parametrize("silence", ["", "no such manifest: quay.io/x", "{}"])
def test_a_registry_that_tells_no_size_makes_the_fallback_count(jupyter_container: Filters, silence: str) -> None:
    assert "takes about 6.0 GB" in shortage(jupyter_container, manifest=silence, available=0)


@pytest.mark.parametrize("size", [2, "2", 2.0])
def test_a_size_that_is_given_is_not_asked_for(jupyter_container: Filters, size: object) -> None:
    assert "takes about 2.0 GB" in shortage(jupyter_container, size=size, manifest=manifest(GB), available=0)


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: manifest for quay.io/a/b:c not found: manifest unknown: manifest unknown",
        "Error response from daemon: pull access denied for a/b, repository does not exist",
        "Error response from daemon: unauthorized: access to the requested resource is not authorized",
        "invalid reference format",
    ],
)
def test_an_image_that_is_not_there_is_not_asked_for_again(jupyter_container: Filters, said: str) -> None:
    assert jupyter_container["jupyter_container_pull_may_recover"]({"stdout": said}) is False


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: received unexpected HTTP status: 502 Bad Gateway",
        "Error response from daemon: Get https://quay.io/v2/: dial tcp: lookup quay.io: no such host",
        "read tcp 10.0.0.2:443: connection reset by peer",
        "unexpected EOF",
        "",
    ],
)
def test_a_registry_in_trouble_is_asked_again(jupyter_container: Filters, said: str) -> None:
    assert jupyter_container["jupyter_container_pull_may_recover"]({"stdout": said}) is True


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("2000-01-01: Pulling\nmanifest unknown", "set notebook_image to an image and a tag that its registry lists"),
        ("write /var/lib/docker/tmp/x: no space left on device", "raise volume_size"),
        ("connection reset by peer", "it goes on where it stopped"),
    ],
)
def test_a_failed_pull_says_what_mends_it(jupyter_container: Filters, said: str, fix: str) -> None:
    message = str(jupyter_container["jupyter_container_pull_message"]({"stdout": said}, IMAGE, "i-1"))
    assert fix in message.splitlines()[-1]
