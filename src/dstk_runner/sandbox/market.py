"""The spot market: it takes instances back with a notice, gives them again, and serves requests that are open."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from moto.ec2.exceptions import EC2ClientError

from dstk_runner.sandbox.ec2 import SandboxEC2, find_backends, find_instances
from dstk_runner.sandbox.lifecycle import SandboxInstance
from dstk_runner.sandbox.spot import SpotRequest

#: How long before it stops an instance EC2 says so:
#: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
NOTICE_SECONDS = 120.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notice:
    """An instance that EC2 takes back, and when."""

    instance_id: str
    at: datetime

    def to_json(self) -> dict[str, str]:
        """Return it as `spot/instance-action` of the metadata service has it."""
        return {"action": "stop", "time": f"{self.at:%Y-%m-%dT%H:%M:%SZ}"}


def _tell_nobody(instance_id: str, notice: Mapping[str, str]) -> None:
    """Where no machine is behind an instance, nothing can read a notice."""


class Market:
    """Takes spot instances back, and gives them again."""

    def __init__(
        self,
        lock: AbstractContextManager[object],
        announce: Callable[[str, Mapping[str, str]], None] = _tell_nobody,
    ) -> None:
        """Take the lock under which the API changes, and what tells an instance of its notice until its next start."""
        self._lock = lock
        self._announce = announce
        self._notices: list[Notice] = []

    def interrupt(self, instance_id: str, seconds: float) -> dict[str, str]:
        """Give notice to a spot instance, and stop it after so many seconds."""
        with self._lock:
            _, instance, request = _find(instance_id)
            if request.instance_interruption_behavior != "stop" or instance.state != "running":
                raise ValueError(f"{instance_id} does not run, or is not to be stopped when it is taken back")
            notice = Notice(instance_id, datetime.now(UTC) + timedelta(seconds=seconds))
            self._notices.append(notice)
        self._announce(instance_id, notice.to_json())
        return notice.to_json()

    def return_capacity(self) -> list[str]:
        """Start what was taken back, as EC2 does when it can."""
        with self._lock:
            waiting = [instance for _, instance in find_instances() if _is_taken_back(instance)]
            for instance in waiting:
                instance.start()
        return [instance.id for instance in waiting]

    def tick(self) -> None:
        """Stop what was given notice and whose time has come, and launch for the requests that are open."""
        now = datetime.now(UTC)
        with self._lock:
            for notice in [notice for notice in self._notices if notice.at <= now]:
                self._notices.remove(notice)
                _, instance, _ = _find(notice.instance_id)
                instance.interrupt()
                log.info("%s was taken back", notice.instance_id)
            for backend in find_backends():
                for request in backend.find_open_requests():
                    _fulfil(backend, request)


def _find(instance_id: str) -> tuple[SandboxEC2, SandboxInstance, SpotRequest]:
    for backend, instance in find_instances():
        if instance.id == instance_id and (request := backend.find_request(instance)):
            return backend, instance, request
    raise ValueError(f"there is no spot instance {instance_id}")


def _is_taken_back(instance: SandboxInstance) -> bool:
    request = instance.ec2_backend.find_request(instance)
    return request is not None and request.condition == ("disabled", "instance-stopped-no-capacity")


def _fulfil(backend: SandboxEC2, request: SpotRequest) -> None:
    try:
        backend.fulfil(request)
    except EC2ClientError as error:  # its subnet, say, is gone
        log.info("%s is given up: %s", request.id, error)
        request.is_cancelled = True
    else:
        log.info("%s, which nobody cancelled, has launched %s", request.id, request.instance_id)
