"""Which of the machine's certificates are its own."""

from __future__ import annotations

from dstk_runner.sandbox.trust import parse_certificates, parse_extra


def pem(body: str, end: str = "\n") -> str:
    return f"-----BEGIN CERTIFICATE-----{end}{body}{end}-----END CERTIFICATE-----{end}"


def test_a_bundle_is_read_certificate_by_certificate() -> None:
    assert parse_certificates(f"# one\n{pem('AAAA')}\n# two\n{pem('BBBB')}") == (pem("AAAA"), pem("BBBB"))


def test_line_ends_make_no_other_certificate() -> None:
    assert parse_certificates(pem("AAAA", end="\r\n")) == (pem("AAAA"),)


def test_what_the_distribution_ships_is_not_extra() -> None:
    assert parse_extra(pem("AAAA") + pem("BBBB"), [pem("AAAA")]) == (pem("BBBB"),)


def test_a_certificate_that_stands_twice_is_taken_once() -> None:
    assert parse_extra(pem("BBBB") * 2, []) == (pem("BBBB"),)
