"""The certificate authorities that this machine trusts beyond its distribution's own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
DISTRIBUTED = Path("/usr/share/ca-certificates")

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def parse_certificates(text: str) -> tuple[str, ...]:
    """Return the PEM certificates in a bundle, each with one newline at its end."""
    return tuple(found.replace("\r", "") + "\n" for found in _CERTIFICATE.findall(text))


def find_bundle() -> Path | None:
    """Return the file of CA certificates that programs on this machine are told to use, if there is one."""
    named = (os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    candidates = (*(Path(name) for name in named if name), BUNDLE)
    return next((path for path in candidates if path.is_file()), None)


def find_extra_certificates() -> tuple[str, ...]:
    """Return the certificates in this machine's bundle that its distribution does not ship."""
    bundle = find_bundle()
    if bundle is None or not DISTRIBUTED.is_dir():
        return ()
    return parse_extra(bundle.read_text(encoding="utf-8"), _distributed())


def parse_extra(bundle: str, distributed: Iterable[str]) -> tuple[str, ...]:
    """Return the certificates of a bundle that stand in none of the distributed texts."""
    known = {certificate for text in distributed for certificate in parse_certificates(text)}
    return tuple(dict.fromkeys(found for found in parse_certificates(bundle) if found not in known))


def _distributed() -> Iterable[str]:
    return (path.read_text(encoding="utf-8") for path in sorted(DISTRIBUTED.rglob("*.crt")))
