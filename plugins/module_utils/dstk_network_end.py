"""The end of a deployment's network: what carries its tag, in the order in which nothing needs what goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, filters, find_all, throttled

IN_USE = "DependencyViolation"
"""What AWS says while an interface of an instance that is ending is still there."""
GONE = (".NotFound", "Gateway.NotAttached", "InvalidAssociationID.NotFound")
PAUSE = 2.0


@dataclass
class NetworkEnd:
    """Removes the network of a deployment.

    Args:
        client: of EC2.
        timeout: seconds to wait for what still uses a part.
        check_mode: change nothing, and tell what would be removed.
    """

    client: Any
    deployment: str
    timeout: float
    check_mode: bool = False
    removed: list[str] = field(default_factory=list)

    def remove(self) -> list[str]:
        """Remove all parts, and answer their ids.

        Raises:
            ClientError: AWS refuses, or something still uses a part after the timeout.
        """
        deadline = time.monotonic() + self.timeout
        for part, call, request in self._find_steps():
            self._end(call, request, deadline)
            self.removed += [part] if part else []
        return self.removed

    def _find_steps(self) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
        """Yield what is removed, by which call; a step that only leads there has no name."""
        client = self.client
        for group in self._find("security_groups", "SecurityGroups"):
            yield group["GroupId"], client.delete_security_group, {"GroupId": group["GroupId"]}
        # AWS answers these whole, without pages
        for pair in throttled(client.describe_key_pairs, Filters=self._by_tag)["KeyPairs"]:
            yield pair["KeyPairId"], client.delete_key_pair, {"KeyName": pair["KeyName"]}
        for table in self._find("route_tables", "RouteTables"):
            for place in table.get("Associations", []):
                if not place.get("Main"):
                    yield "", client.disassociate_route_table, {"AssociationId": place["RouteTableAssociationId"]}
            yield table["RouteTableId"], client.delete_route_table, {"RouteTableId": table["RouteTableId"]}
        for subnet in self._find("subnets", "Subnets"):
            yield subnet["SubnetId"], client.delete_subnet, {"SubnetId": subnet["SubnetId"]}
        for gateway in self._find("internet_gateways", "InternetGateways"):
            own = {"InternetGatewayId": gateway["InternetGatewayId"]}
            for place in gateway.get("Attachments", []):
                yield "", client.detach_internet_gateway, {**own, "VpcId": place["VpcId"]}
            yield gateway["InternetGatewayId"], client.delete_internet_gateway, own
        for vpc in self._find("vpcs", "Vpcs"):
            yield vpc["VpcId"], client.delete_vpc, {"VpcId": vpc["VpcId"]}

    @property
    def _by_tag(self) -> list[dict[str, Any]]:
        return filters({f"tag:{DEPLOYMENT_TAG}": [self.deployment]})

    def _find(self, kind: str, key: str) -> list[dict[str, Any]]:
        return find_all(self.client, f"describe_{kind}", key, Filters=self._by_tag)

    def _end(self, call: Callable[..., Any], request: dict[str, Any], deadline: float) -> None:
        while not self.check_mode:
            try:
                throttled(call, **request)
            except ClientError as error:
                if error_code(error).endswith(GONE):
                    return
                if error_code(error) != IN_USE or time.monotonic() >= deadline:
                    raise
                time.sleep(PAUSE)
            else:
                return
