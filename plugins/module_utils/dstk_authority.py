"""The deployment's own certificate authority, on the controller: its key, what it signs, and whom clients trust.

The folder holds ca.key, which never leaves it, ca.crt beside it, and ca.pem: the authorities of all hosts of the
deployment, for a second administrator who has no key signs with an authority of their own. All of it is written whole,
under a lock, for hosts are served at the same time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import ipaddress
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = dt.timedelta(days=3650)
# the longest that browsers took from public authorities until 2026, and longer than a course
LIFETIME = dt.timedelta(days=397)
RENEWED_BEFORE = dt.timedelta(days=30)
NO_DOMAIN = "dstk.invalid"
"""The domain of an authority whose deployment has none: a name that nobody can have (RFC 2606)."""

_PEM = serialization.Encoding.PEM
_EVERY_ADDRESS = tuple(x509.IPAddress(ipaddress.ip_network(text)) for text in ("0.0.0.0/0", "::/0"))


def find_need(certificate: str, authority: str, *, names: Sequence[str], domain: str, now: dt.datetime) -> str:
    """Answer why a host needs a new certificate; empty where it does not.

    Args:
        certificate: the host's, in PEM; empty where it has none.
        authority: whose it is, as the host says.
        names: what has to be in it: addresses and names.
        domain: the deployment's.
        now: the moment, in UTC.
    """
    try:
        own = x509.load_pem_x509_certificate(certificate.encode())
        signer = x509.load_pem_x509_certificate(authority.encode())
        own.verify_directly_issued_by(signer)
        found = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return "there is none"
    if not is_fit(signer, domain, now):
        return "its authority is not one of this deployment"
    if {str(name) for name in found} != {str(_general_name(name)) for name in names}:
        return "address or names are others"
    return "it ends soon" if own.not_valid_after_utc - now < RENEWED_BEFORE else ""


def is_fit(authority: x509.Certificate, domain: str, now: dt.datetime) -> bool:
    """Answer whether an authority is bound to addresses and this domain, and lives as long as what it would sign."""
    try:
        found = authority.extensions.get_extension_for_class(x509.NameConstraints)
    except (ValueError, x509.ExtensionNotFound):
        return False
    permitted = {str(name) for name in found.value.permitted_subtrees or ()}
    return (
        found.critical
        and permitted == {str(name) for name in _permitted(domain)}
        and authority.not_valid_after_utc - now > RENEWED_BEFORE
    )


class Vault:
    """The folder of a deployment's authority."""

    def __init__(self, folder: Path, deployment: str, domain: str) -> None:
        """Name the folder, and what the authority is bound to."""
        self.folder, self.deployment, self.domain = folder, deployment, domain

    @property
    def bundle(self) -> Path:
        """The file that clients trust."""
        return self.folder / "ca.pem"

    def sign(self, request: str, names: Sequence[str]) -> tuple[str, str]:
        """Sign a host's request for these names, and answer its certificate and the authority's, in PEM.

        Raises:
            ValueError: the request is none, or not by the owner of its key.
        """
        asked = x509.load_pem_x509_csr(request.encode())
        if not asked.is_signature_valid:
            raise ValueError("the request is not signed with its own key")
        with self._locked():
            authority, key = self._ensure_authority()
        # what the host would like to be called counts for nothing
        certificate = (
            # a common name that looks like a DNS name would be held against what the authority is bound to
            _builder("dstk notebooks", authority.subject, asked.public_key(), LIFETIME)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(asked.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return certificate.public_bytes(_PEM).decode(), authority.public_bytes(_PEM).decode()

    def trust(self, authority: str) -> bool:
        """Put an authority into the bundle, where it is bound as it must be; answer whether that changed the file."""
        now = dt.datetime.now(dt.UTC)
        try:
            found = x509.load_pem_x509_certificate(authority.encode())
        except ValueError:
            return False
        if not is_fit(found, self.domain, now):
            return False
        with self._locked():
            before = self.bundle.read_bytes() if self.bundle.is_file() else b""
            known = x509.load_pem_x509_certificates(before) if before.strip() else []
            living = [one for one in known if one.not_valid_after_utc > now]
            if found not in living:
                living.append(found)
            after = b"".join(one.public_bytes(_PEM) for one in living)
            if after == before:
                return False
            _write(self.bundle, after, 0o644)
        return True

    def _ensure_authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        now = dt.datetime.now(dt.UTC)
        with contextlib.suppress(OSError, ValueError, TypeError):
            key = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
            found = x509.load_pem_x509_certificate((self.folder / "ca.crt").read_bytes())
            lives = found.not_valid_after_utc - now > LIFETIME and is_fit(found, self.domain, now)
            if isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == found.public_key() and lives:
                return found, key
        return self._make_authority()

    def _make_authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        # two authorities of one deployment must not have one name
        name = f"dstk {self.deployment[:40]} {identifier.digest.hex()[:8]}"
        authority = (
            _builder(name, _named(name), key.public_key(), AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs=True), critical=True)
            .add_extension(x509.NameConstraints(_permitted(self.domain), None), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _write(self.folder / "ca.key", private, 0o600)
        _write(self.folder / "ca.crt", authority.public_bytes(_PEM), 0o644)
        return authority, key

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        for path in (*reversed(self.folder.parents[:2]), self.folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _permitted(domain: str) -> list[x509.GeneralName]:
    return [x509.DNSName(domain or NO_DOMAIN), *_EVERY_ADDRESS]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(name: str, issuer: x509.Name, key: object, lifetime: dt.timedelta) -> x509.CertificateBuilder:
    # an hour for clocks that are slow
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    # a common name holds 64 characters
    builder = x509.CertificateBuilder().subject_name(_named(name[:64])).issuer_name(issuer).public_key(key)
    serial = x509.random_serial_number()
    return builder.serial_number(serial).not_valid_before(begin).not_valid_after(begin + lifetime)


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Put a file in its place whole, never readable by others before it may be."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)
