"""What this machine may hand to a container."""

from __future__ import annotations

from dstk_runner.sandbox.engine import CAPABILITIES, parse_capabilities


def test_a_full_bounding_set_is_every_capability() -> None:
    assert parse_capabilities("CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n") == CAPABILITIES


def test_a_missing_capability_is_not_asked_for() -> None:
    missing = set(CAPABILITIES) - set(parse_capabilities("CapBnd:\t000001fffeffffff\n"))
    assert missing == {"SYS_RESOURCE"}


def test_docker_s_default_set_is_read_by_name() -> None:
    assert parse_capabilities("CapBnd:\t00000000a80425fb\n") == (
        *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE"),
        *("NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
    )
