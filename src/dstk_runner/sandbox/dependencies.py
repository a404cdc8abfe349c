"""What is in use cannot be deleted."""

from __future__ import annotations

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.subnets import Subnet
from moto.ec2.models.vpcs import VPC


class Dependencies(EC2Backend):
    """EC2 that refuses with DependencyViolation, in AWS's words, what moto would delete."""

    def delete_security_group(self, name: str | None = None, group_id: str | None = None) -> None:
        """Delete a group that no interface and no other group's rule refers to."""
        group = self.get_security_group_by_name_or_id(str(group_id or name))
        if group is not None:
            if group.name == "default" and group.vpc_id in self.vpcs:
                message = f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
                raise EC2ClientError("CannotDelete", message)
            used = any(group in eni.group_set for eni in self.enis.values())
            others = (other for groups in self.groups.values() for other in groups.values() if other is not group)
            referred = any(
                rule.source_group.get("GroupId") == group.id
                for other in others
                for rule in [*other.ingress_rules, *other.egress_rules]
            )
            if used or referred:
                raise DependencyViolationError(f"resource {group.id} has a dependent object")
        super().delete_security_group(name, group_id)

    def delete_subnet(self, subnet_id: str) -> Subnet:
        """Delete a subnet with no interface in it, and with it its place in a route table."""
        if self._find_interfaces(subnet_id=subnet_id):
            raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
        subnet = super().delete_subnet(subnet_id)
        for table in self.route_tables.values():
            for association_id, associated in list(table._associations.items()):
                if associated == subnet_id:
                    del table._associations[association_id]
        return subnet

    def delete_vpc(self, vpc_id: str) -> VPC:
        """Delete a VPC in which only what came with it is left."""
        self.get_vpc(vpc_id)
        gateways = [gateway for gateway in self.internet_gateways.values() if gateway.vpc and gateway.vpc.id == vpc_id]
        subnets = [subnet for zone in self.subnets.values() for subnet in zone.values() if subnet.vpc_id == vpc_id]
        tables = [table for table in self.route_tables.values() if table.vpc_id == vpc_id]
        groups = list(self.groups[vpc_id].values())
        if gateways or subnets or len(tables) > 1 or len(groups) > 1 or self._find_interfaces(vpc_id=vpc_id):
            raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
        for table in tables:
            del self.route_tables[table.id]
        del self.groups[vpc_id]
        return super().delete_vpc(vpc_id)

    def delete_route_table(self, route_table_id: str) -> None:
        """Delete a table that no subnet uses and that is not its VPC's main one."""
        table = self.get_route_table(route_table_id)
        if table.main_association_id or table._associations:
            message = f"The routeTable '{route_table_id}' has dependencies and cannot be deleted."
            raise DependencyViolationError(message)
        super().delete_route_table(route_table_id)

    def delete_internet_gateway(self, internet_gateway_id: str) -> None:
        """Delete a gateway that is attached to no VPC."""
        if self.get_internet_gateway(internet_gateway_id).vpc:
            message = f"The internetGateway '{internet_gateway_id}' has dependencies and cannot be deleted."
            raise DependencyViolationError(message)
        super().delete_internet_gateway(internet_gateway_id)

    def detach_internet_gateway(self, internet_gateway_id: str, vpc_id: str) -> None:
        """Detach a gateway from a VPC in which nothing has a public address."""
        if any(eni.public_ip for eni in self._find_interfaces(vpc_id=vpc_id)):
            raise DependencyViolationError(
                f"Network {vpc_id} has some mapped public address(es). "
                "Please unmap those public address(es) before detaching the gateway."
            )
        super().detach_internet_gateway(internet_gateway_id, vpc_id)

    def delete_network_interface(self, eni_id: str) -> None:
        """Delete an interface that is attached to no instance."""
        if self.get_network_interface(eni_id).attachment_id:
            message = f"Network interface '{eni_id}' is currently in use."
            raise EC2ClientError("InvalidParameterValue", message)
        super().delete_network_interface(eni_id)

    def release_address(self, address: str | None = None, allocation_id: str | None = None) -> None:
        """Release an Elastic IP that is associated with nothing."""
        found = self.address_by_ip([address]) if address else self.address_by_allocation([str(allocation_id)])
        if found[0].association_id:
            raise EC2ClientError("InvalidIPAddress.InUse", f"Address {found[0].public_ip} is in use.")
        super().release_address(address, allocation_id)

    def _find_interfaces(self, *, subnet_id: str | None = None, vpc_id: str | None = None) -> list[NetworkInterface]:
        return [eni for eni in self.enis.values() if eni.subnet_id == subnet_id or eni.vpc_id == vpc_id]
