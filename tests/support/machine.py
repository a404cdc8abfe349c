"""A machine of the sandbox, outside of any AWS, as tests see it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dstk_runner.sandbox.host import HostSpec
from dstk_runner.sandbox.hosts import HostDriver

BOOT_SECONDS = 60


def until(done: Callable[[], bool], *, seconds: float = 30, what: str = "it") -> None:
    """Wait for a fact."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)


@dataclass(frozen=True)
class Machine:
    """One machine and the key that opens it."""

    driver: HostDriver
    instance_id: str
    key: Path

    def boot(self, *, image: str = "") -> None:
        """Create or start it, and wait until SSH gets in."""
        public_key = self.key.with_suffix(".pub").read_text(encoding="utf-8")
        self.driver.ensure(HostSpec(self.instance_id, (public_key,), "ip-10-0-0-5", image=image))
        until(lambda: self.driver.state(self.instance_id) == "running", seconds=BOOT_SECONDS, what="the boot")

    def address(self) -> str:
        """Where this machine reaches it."""
        address = self.driver.address(self.instance_id)
        assert address is not None
        return address

    def ssh(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command on it as ubuntu."""
        known = f"UserKnownHostsFile={self.key.with_name('known_hosts')}"
        options = ["-i", str(self.key), "-o", known, "-o", f"HostKeyAlias={self.instance_id}", "-o", "BatchMode=yes"]
        options += ["-o", "StrictHostKeyChecking=accept-new"]
        done = subprocess.run(["ssh", *options, f"ubuntu@{self.address()}", command], capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done
