"""What is made of what the machine's package manager says."""

from __future__ import annotations

import pytest

from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.packages import Distribution, parse_apt_options, parse_archives, parse_os_release, run

BOOKWORM = Distribution(id="debian", codename="bookworm")


def test_debian_is_known_by_its_code_name() -> None:
    assert parse_os_release('ID=debian\nVERSION_CODENAME="bookworm"\n') == BOOKWORM


def test_a_derivative_of_ubuntu_counts_as_the_ubuntu_it_is_made_from() -> None:
    text = "ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_CODENAME=virginia\nUBUNTU_CODENAME=jammy\n"
    assert parse_os_release(text) == Distribution(id="ubuntu", codename="jammy")


def test_another_distribution_is_refused_by_name() -> None:
    with pytest.raises(SandboxError, match="this is fedora"):
        parse_os_release("ID=fedora\nVERSION_ID=43\n")


def test_components_of_one_archive_become_one_line() -> None:
    targets = "http://m/debian/|bookworm|main|Debian\nhttp://m/debian/|bookworm|contrib|Debian\n"
    assert parse_archives(targets, BOOKWORM) == ("deb http://m/debian/ bookworm main contrib",)


def test_updates_and_security_belong_to_the_distribution() -> None:
    targets = "http://m/debian/|bookworm-updates|main|Debian\nhttp://s/|bookworm-security|main|Debian\n"
    assert parse_archives(targets, BOOKWORM) == (
        "deb http://m/debian/ bookworm-updates main",
        "deb http://s/ bookworm-security main",
    )


@pytest.mark.parametrize(
    "target",
    [
        "http://other/debian|bookworm|main|Some Vendor",
        "http://m/debian/|trixie|main|Debian",
        "http://m/debian/|bookworm-backports|main|Debian",
    ],
)
def test_what_is_not_the_release_itself_is_left_out(target: str) -> None:
    assert parse_archives(target, BOOKWORM) == ()


def test_only_what_decides_how_packages_are_fetched_is_taken_over() -> None:
    dump = (
        'APT::Install-Recommends "1";\nAcquire::http::Proxy "http://proxy:3128";\n'
        'Acquire::https::Proxy "";\nAcquire::http::User-Agent "x";\nAcquire::Check-Valid-Until "false";\n'
    )
    assert parse_apt_options(dump) == (
        'Acquire::http::Proxy "http://proxy:3128";',
        'Acquire::Check-Valid-Until "false";',
    )


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(SandboxError, match="no-such-program is not on this machine"):
        run("no-such-program")


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(SandboxError, match="no room"):
        run("sh", "-c", "echo no room >&2; exit 3")
