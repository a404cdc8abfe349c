"""Whose certificates a deployment has, by what its hosts told."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dstk_runner.config import Config, load_config
from dstk_runner.outcome import read_tls
from dstk_runner.results import Tls

ACME = {"mode": "acme", "reason": ""}
PRIVATE = {"mode": "private", "reason": "connection: refused"}


def configured(home: Path) -> Config:
    return load_config({"deployment": "csx450", "state_dir": str(home / "state")})


def ensure_bundle(config: Config) -> Path:
    file = config.folder / "tls" / "ca.pem"
    file.parent.mkdir(parents=True)
    file.write_text("authority")
    return file


def test_where_no_host_told_nothing_is_known(home: Path) -> None:
    assert read_tls(configured(home), {}) is None


def test_certificates_of_a_public_authority_need_no_file(home: Path) -> None:
    ensure_bundle(configured(home))
    assert read_tls(configured(home), {"i-1": ACME}) == Tls(mode="acme")


def test_one_private_host_makes_it_private_and_the_reason_is_said_once(home: Path) -> None:
    config = configured(home)
    file = ensure_bundle(config)
    assert read_tls(config, {"i-1": ACME, "i-2": PRIVATE, "i-3": PRIVATE}) == Tls(
        mode="private",
        ca_file=file,
        sha256=hashlib.sha256(b"authority").hexdigest(),
        reason="connection: refused",
    )


def test_the_document_has_null_where_there_is_no_file(home: Path) -> None:
    told = read_tls(configured(home), {"i-1": PRIVATE})
    assert told is not None
    assert told.to_json() == {"mode": "private", "ca_file": None, "sha256": None, "reason": "connection: refused"}
