"""What an instance writes to its console: cloud-init prints the machine's host keys there, at its first boot."""

from __future__ import annotations

from collections.abc import Sequence

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.general import General

from dstk_runner.sandbox.lifecycle import SandboxInstance

#: Families on Xen, of which AWS keeps no latest output,
#: https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-type-specifications.html
XEN = frozenset({"c3", "c4", "d2", "g3", "h1", "i2", "i3", "m3", "m4", "p2", "p3", "r3", "r4", "t1", "t2", "x1", "x1e"})


def render_console(keys: Sequence[str]) -> str:
    """Return what stands on the console once cloud-init has printed these public keys; nothing where there are none."""
    if not keys:
        return ""
    lines = [
        "[    0.000000] Linux version 6.8.0-aws",
        "cloud-init[812]: Cloud-init v. 24.4 running 'modules:final'",
        "-----BEGIN SSH HOST KEY KEYS-----",
        *keys,
        "-----END SSH HOST KEY KEYS-----",
        "cloud-init[812]: Cloud-init v. 24.4 finished. Datasource DataSourceEc2Local.",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def get_console_output(self: General) -> ActionResult:
    """Answer GetConsoleOutput as EC2 does: with what the machine wrote, and the latest only where it is kept."""
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    if not isinstance(instance, SandboxInstance):
        raise TypeError(f"{instance.id} is none of the sandbox's")
    if self._get_param("Latest") in (True, "true") and str(instance.instance_type).partition(".")[0] in XEN:
        message = "This instance type does not support retrieving the latest console logs."
        raise EC2ClientError("UnsupportedOperation", message)
    result = {"InstanceId": instance.id, "Timestamp": utcnow()}
    if instance.console:
        result["Output"] = Base64EncodedString.from_raw_string(instance.console)
    return ActionResult(result)
