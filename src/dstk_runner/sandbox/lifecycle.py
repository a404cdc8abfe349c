"""An instance that takes its time: pending, stopping and shutting-down are states it is seen in."""

from __future__ import annotations

import copy
from typing import Any

from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, InstanceState, StateReason
from moto.ec2.models.security_groups import SecurityGroup

from dstk_runner.sandbox.wire import current_call

#: The states and their codes, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

USER_SHUTDOWN = StateReason("Client.UserInitiatedShutdown: User initiated shutdown", "Client.UserInitiatedShutdown")
GUEST_SHUTDOWN = StateReason(
    "Client.InstanceInitiatedShutdown: Instance initiated shutdown", "Client.InstanceInitiatedShutdown"
)
SPOT_SHUTDOWN = StateReason(
    "Server.SpotInstanceShutdown: Instance shutdown by Spot service", "Server.SpotInstanceShutdown"
)


class SandboxInstance(Instance):
    """An instance of the sandbox. What users ask for begins a transition; the reconciler ends it with `settle_…`."""

    def __init__(
        self,
        ec2_backend: EC2Backend,
        image_id: str,
        user_data: Base64EncodedString | None,
        security_groups: list[SecurityGroup],
        **kwargs: Any,
    ) -> None:
        """Launch it: pending, with its addresses, its groups and the public key it will admit."""
        super().__init__(ec2_backend, image_id, user_data, security_groups, **kwargs)
        self._enter("pending")
        #: Of a spot instance.
        self.spot_instance_request_id: str | None = None
        self.disable_api_termination = current_call.get().is_true("DisableApiTermination")
        self.reboot_wanted = False
        #: What the machine wrote to its console, as far as anybody reads it there.
        self.console = ""
        key_pair = ec2_backend.key_pairs.get(str(self.key_name))
        self.public_keys = (key_pair.public_key.strip(),) if key_pair else ()
        if not self.security_groups:
            self.security_groups = list(self.nics[0].group_set)
        specs = {int(nic["DeviceIndex"]): nic for nic in kwargs.get("nics") or []}
        for index, nic in self.nics.items():
            if "NetworkInterfaceId" not in (spec := specs.get(index, {})):
                nic.delete_on_termination = str(spec.get("DeleteOnTermination", True)).lower() == "true"

    def start(self) -> InstanceState:
        """Begin to run again, with a new public address where one is given automatically."""
        previous = copy.copy(self._state)
        if self.state in ("pending", "running"):
            return previous
        self._require("stopped", verb="started")
        for nic in self.nics.values():
            if not self._has_elastic_address(nic):
                nic.check_auto_public_ip()
        self.launch_time = utcnow()
        self._enter("pending")
        return previous

    def stop(self) -> InstanceState:
        """Begin to stop. The public address goes back to AWS, an Elastic IP stays."""
        previous = copy.copy(self._state)
        if self.state in ("stopping", "stopped"):
            return previous
        self._require("running", verb="stopped")
        self._release_addresses()
        self._enter("stopping", USER_SHUTDOWN)
        return previous

    def terminate(self) -> InstanceState:
        """Begin to end. Volumes, interfaces and groups stay in use until it has ended."""
        previous = copy.copy(self._state)
        if self.state not in ("shutting-down", "terminated"):
            self._release_addresses()
            self._enter("shutting-down", USER_SHUTDOWN)
        return previous

    def reboot(self) -> None:
        """Ask for a restart; the state stays running, as on AWS."""
        self._require("running", verb="rebooted")
        self.reboot_wanted = True

    def settle_running(self) -> None:
        """End pending."""
        if self.state == "pending":
            self._enter("running")

    def settle_stopped(self) -> None:
        """End stopping."""
        if self.state == "stopping":
            self._enter("stopped", self.state_reason)

    def settle_terminated(self) -> None:
        """End shutting-down: what belonged to the instance is gone, its record and tags stay for a while."""
        if self.state != "shutting-down":
            return
        reason = self.state_reason
        for address in self.ec2_backend.describe_addresses():
            if address.instance is self or address.eni in self.nics.values():
                self.ec2_backend.disassociate_address(association_id=address.association_id)
        for nic in list(self.nics.values()):
            self.detach_eni(nic)
            if nic.delete_on_termination:
                nic.delete()
        super().terminate()
        self.security_groups = []
        self._subnet_id = None
        self._private_ips = set()
        self._enter("terminated", reason)

    def shut_down_from_within(self) -> None:
        """Follow the guest, which powered itself off: stop or end, as the launch said."""
        if self.state == "running":
            self._release_addresses()
            ends = self.instance_initiated_shutdown_behavior == "terminate"
            self._enter("shutting-down" if ends else "stopping", GUEST_SHUTDOWN)

    def interrupt(self) -> None:
        """Follow EC2, which takes a spot instance back: stop."""
        if self.state == "running":
            self._release_addresses()
            self._enter("stopping", SPOT_SHUTDOWN)

    def fail(self, message: str) -> None:
        """Begin to end because the machine beneath could not be made or was lost."""
        self._release_addresses()
        self._enter("shutting-down", StateReason(f"Server.InternalError: {message}", "Server.InternalError"))

    @property
    def private_ip(self) -> str | None:
        """The first interface's private address; none once the instance has ended."""
        return self.nics[0].private_ip_address if 0 in self.nics else None

    @property
    def private_ip_address(self) -> str | None:
        """The same under the name the answers use."""
        return self.private_ip

    @property
    def private_dns_name(self) -> str:
        """The name of the private address; empty once the instance has ended."""
        return super().private_dns_name if self.private_ip else ""

    @property
    def public_ip(self) -> str | None:
        """The first interface's public address, if there is one."""
        return self.nics[0].public_ip if 0 in self.nics else None

    @property
    def public_ip_address(self) -> str | None:
        """The same under the name the answers use."""
        return self.public_ip

    def _enter(self, name: str, reason: StateReason | None = None) -> None:
        self._state = InstanceState(name, CODES[name])
        self.entered_at = utcnow()
        self.state_reason = reason or StateReason()
        self._reason = f"User initiated ({utcnow():%Y-%m-%d %H:%M:%S} GMT)" if reason is USER_SHUTDOWN else ""

    def _require(self, name: str, *, verb: str) -> None:
        if self.state != name:
            message = f"The instance '{self.id}' is not in a state from which it can be {verb}."
            raise EC2ClientError("IncorrectInstanceState", message)

    def _has_elastic_address(self, nic: NetworkInterface) -> bool:
        return bool(nic.public_ip and self.ec2_backend.address_by_ip([nic.public_ip], fail_if_not_found=False))

    def _release_addresses(self) -> None:
        for nic in self.nics.values():
            if not self._has_elastic_address(nic):
                nic.public_ip = None
