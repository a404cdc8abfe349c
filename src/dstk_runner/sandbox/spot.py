"""Spot instances, and the requests that outlive them, decide who may start them, and launch others."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from moto.core.utils import iso_8601_datetime_with_milliseconds, utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import Instance, InstanceState, Reservation
from moto.ec2.utils import generic_filter, random_spot_request_id

from dstk_runner.sandbox.launches import Launches
from dstk_runner.sandbox.lifecycle import SPOT_SHUTDOWN, SandboxInstance
from dstk_runner.sandbox.wire import Call, current_call

log = logging.getLogger(__name__)

#: How long after its instance a request comes to rest; until then the instance cannot be started. Seen by others:
#: https://github.com/hashicorp/terraform-provider-aws/issues/33399
LAG = timedelta(seconds=2)

#: States of an instance, and what its request is meanwhile: state, status code. Of one that has ended, a persistent
#: request is open again: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instances-request-status-lifecycle.html
_CONDITIONS = {
    "pending": ("active", "fulfilled"),
    "running": ("active", "fulfilled"),
    "stopping": ("active", "marked-for-stop"),
    "stopped": ("disabled", "instance-stopped-by-user"),
    "shutting-down": ("active", "marked-for-termination"),
}


class SpotRequest(TaggedEC2Resource):
    """A request and the instance that it has; what it is follows from the instance."""

    def __init__(self, backend: Any, instance: SandboxInstance, call: Call, launch: Mapping[str, Any]) -> None:
        """Take the instance that was launched for it, and the call and moto's arguments by which another would be."""
        self.ec2_backend = backend
        self.id = random_spot_request_id()
        self.call = call
        self.launch = launch
        self.is_cancelled = False
        self.type = call.params.get("InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time")
        self.instance_interruption_behavior = call.params.get(
            "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "terminate"
        )
        self.created = utcnow()
        self.give(instance)

    def give(self, instance: SandboxInstance) -> None:
        """Fulfil it with an instance."""
        self.instance = instance
        instance.spot_instance_request_id = self.id

    @property
    def condition(self) -> tuple[str, str]:
        """Its state and its status code."""
        state = self.instance.state
        if self.is_cancelled:
            over = state in ("shutting-down", "terminated")
            return "cancelled", "instance-terminated-by-user" if over else "request-canceled-and-instance-running"
        if state == "terminated":
            is_open = self.type == "persistent"
            return ("open", "pending-evaluation") if is_open else ("closed", "instance-terminated-by-user")
        if state == "stopped" and self.instance.entered_at > utcnow() - LAG:
            return _CONDITIONS["stopping"]
        if self.instance.state_reason.code == SPOT_SHUTDOWN.code and state == "stopped":
            return "disabled", "instance-stopped-no-capacity"
        return _CONDITIONS[state]

    @property
    def state(self) -> str:
        """Its state."""
        return self.condition[0]

    @property
    def status(self) -> dict[str, str]:
        """Its status."""
        return {"Code": self.condition[1], "Message": "", "UpdateTime": self.create_time}

    @property
    def spot_instance_request_id(self) -> str:
        """Its id."""
        return self.id

    @property
    def instance_id(self) -> str:
        """The instance that it has, or had last."""
        return str(self.instance.id)

    @property
    def product_description(self) -> str:
        """What runs on it."""
        return "Linux/UNIX"

    @property
    def create_time(self) -> str:
        """When it was made."""
        return iso_8601_datetime_with_milliseconds(self.created)

    @property
    def launch_specification(self) -> dict[str, Any]:
        """What it launches."""
        return {"ImageId": self.instance.image_id, "InstanceType": self.instance.instance_type}


class SpotMarket(Launches):
    """EC2 whose spot instances have requests, are started only where these allow it, and are taken back."""

    def __init__(self, region_name: str, account_id: str) -> None:
        """Begin without requests."""
        super().__init__(region_name, account_id)
        self.spot_requests: dict[str, SpotRequest] = {}

    def run_instances(self, *args: Any, **kwargs: Any) -> Reservation:
        """Launch, and keep a request for each instance where spot is asked for."""
        call = current_call.get()
        launch = {"args": copy.deepcopy(args), "kwargs": copy.deepcopy(kwargs)} if is_spot(call.params) else None
        reservation = super().run_instances(*args, **kwargs)
        if launch is None:
            return reservation
        for instance in reservation.instances:
            assert isinstance(instance, SandboxInstance)  # noqa: S101 - install() saw to it
            if not instance.spot_instance_request_id:
                request = SpotRequest(self, instance, call, launch)
                self.spot_requests[request.id] = request
                request.add_tags(kwargs.get("tags", {}).get("spot-instances-request", {}))
        return reservation

    def start_instances(self, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
        """Start instances; of spot instances only those that a user stopped."""
        for instance in self.get_multi_instances_by_id(instance_ids):
            request = self.find_request(instance)
            if request is None or instance.state in ("pending", "running"):
                continue
            if request.condition != ("disabled", "instance-stopped-by-user"):
                message = (
                    f"You can't start the Spot Instance '{instance.id}' because the associated Spot Instance request "
                    "is not in an appropriate state to support start."
                )
                raise EC2ClientError("IncorrectSpotRequestState", message)
        return super().start_instances(instance_ids)

    def stop_instances(self, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
        """Stop instances; of spot instances only those whose requests are persistent."""
        for instance in self.get_multi_instances_by_id(instance_ids):
            request = self.find_request(instance)
            if request is not None and request.type != "persistent":
                message = (
                    f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time Spot "
                    "Instance request. You can only stop Spot Instances associated with persistent Spot Instance "
                    "requests."
                )
                raise EC2ClientError("UnsupportedOperation", message)
        return super().stop_instances(instance_ids)

    def modify_instance_attribute(self, instance_id: str, key: str, value: Any) -> Instance:
        """Change an instance; the type of a spot instance stays.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/interruption-behavior.html
        """
        if key == "instance_type" and self.find_request(self.get_instance(instance_id)):
            message = "Modifying the instance type is not supported for Spot Instances."
            raise EC2ClientError("UnsupportedOperation", message)
        return super().modify_instance_attribute(instance_id, key, value)

    def describe_spot_instance_requests(
        self, filters: Any = None, spot_instance_ids: list[str] | None = None
    ) -> list[Any]:
        """Return requests, those that ended included."""
        wanted = [self._get_request(key) for key in spot_instance_ids or self.spot_requests]
        return [*generic_filter(filters, wanted)]

    def cancel_spot_instance_requests(self, request_ids: list[str]) -> list[Any]:
        """Cancel requests. An instance that runs goes on, and one that is stopped ends."""
        requests = [self._get_request(key) for key in request_ids]
        for request in requests:
            request.is_cancelled = True
            if request.instance.state == "stopped":
                request.instance.terminate()
        return requests

    def find_request(self, instance: Instance) -> SpotRequest | None:
        """Return the request of an instance; None of one that is no spot instance."""
        return self.spot_requests.get(str(getattr(instance, "spot_instance_request_id", None)))

    def find_open_requests(self) -> Iterator[SpotRequest]:
        """Yield the requests that wait for an instance."""
        yield from [request for request in self.spot_requests.values() if request.state == "open"]

    def fulfil(self, request: SpotRequest) -> None:
        """Launch another instance for a request that was not cancelled. Its tags are the request's own alone."""
        params = {key: value for key, value in request.call.params.items() if key != "ClientToken"}
        token = current_call.set(replace(request.call, params={**params, "MinCount": "1", "MaxCount": "1"}))
        launch = copy.deepcopy(request.launch)
        try:
            args = (launch["args"][0], 1, *launch["args"][2:])
            reservation = super().run_instances(*args, **{**launch["kwargs"], "tags": {}})
        finally:
            current_call.reset(token)
        [instance] = reservation.instances
        assert isinstance(instance, SandboxInstance)  # noqa: S101 - install() saw to it
        request.give(instance)

    def _get_request(self, request_id: str) -> SpotRequest:
        if request_id not in self.spot_requests:
            message = f"The spot instance request ID '{request_id}' does not exist"
            raise EC2ClientError("InvalidSpotInstanceRequestID.NotFound", message)
        return self.spot_requests[request_id]


def is_spot(params: Mapping[str, Any]) -> bool:
    """Say whether the parameters of a launch ask for spot instances."""
    return str(params.get("InstanceMarketOptions.MarketType", "")) == "spot"
