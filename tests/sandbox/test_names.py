"""With a domain, the notebooks of a class have names in the account's zone, and nobody else's is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.life import find_names, make_zone
from support.place import DEPLOYMENT, Place, opened

THEIRS = {"www.example.org.": "192.0.2.1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        yield found


def options(place: Place, **keys: Any) -> list[str]:
    """The options that name a dstk.yml with two students on one host."""
    path = place.folder / "dstk.yml"
    document = {"deployment": DEPLOYMENT, "students": ["ada", "www"], "placement": "shared", **keys}
    path.write_text(json.dumps({**document, "instance_type": "m7i.large"}))
    return ["-e", f"dstk_config={path}"]


def test_without_a_zone_the_records_to_be_made_are_told(place: Place) -> None:
    output = place.ensure("provision", *options(place, domain="nb.example.net"))
    address = place.instances()[0]["PublicIpAddress"]
    assert f"ada.nb.example.net. 60 IN A {address}" in output


def test_names_come_and_go_and_those_of_others_stay(place: Place) -> None:
    route53, zone = make_zone(place, "example.org")
    request = options(place, domain="example.org")
    code, output = place.run("provision", *request)
    assert code == 0, output
    address = place.instances()[0]["PublicIpAddress"]
    assert find_names(route53, zone) == {"ada.example.org.": address, **THEIRS}
    assert "changed=0 " in place.ensure("provision", *request)
    place.ensure("destroy", *request)
    left = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [item["Name"] for item in left if item["Type"] in ("A", "TXT")] == list(THEIRS)
