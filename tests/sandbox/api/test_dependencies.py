"""What is in use cannot be deleted."""

from __future__ import annotations

from support.aws import Aws, refused
from support.promises import drive


def a_group_of_an_instance_stays(aws: Aws) -> None:
    network = aws.network()
    aws.launch(network)
    with refused("DependencyViolation", text=f"resource {network.group} has a dependent object"):
        aws.ec2.delete_security_group(GroupId=network.group)


def a_group_that_a_rule_names_stays(aws: Aws) -> None:
    network = aws.network()
    other = aws.ec2.create_security_group(GroupName="other", Description="other", VpcId=network.vpc)["GroupId"]
    aws.ec2.authorize_security_group_ingress(
        GroupId=other,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": network.group}]}
        ],
    )
    with refused("DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=network.group)


def a_default_group_stays(aws: Aws) -> None:
    network = aws.network()
    groups = aws.ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [network.vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )
    with refused("CannotDelete"):
        aws.ec2.delete_security_group(GroupId=groups["SecurityGroups"][0]["GroupId"])


def a_subnet_of_an_instance_stays(aws: Aws) -> None:
    network = aws.network()
    aws.launch(network)
    with refused("DependencyViolation", text=f"The subnet '{network.subnet}' has dependencies and cannot be deleted."):
        aws.ec2.delete_subnet(SubnetId=network.subnet)


def a_vpc_with_a_gateway_stays(aws: Aws) -> None:
    network = aws.network()
    aws.ec2.delete_subnet(SubnetId=network.subnet)
    aws.ec2.delete_security_group(GroupId=network.group)
    with refused("DependencyViolation"):
        aws.ec2.delete_vpc(VpcId=network.vpc)


def a_vpc_with_a_group_stays(aws: Aws) -> None:
    network = aws.network()
    aws.ec2.delete_subnet(SubnetId=network.subnet)
    aws.ec2.detach_internet_gateway(InternetGatewayId=network.gateway, VpcId=network.vpc)
    with refused("DependencyViolation"):
        aws.ec2.delete_vpc(VpcId=network.vpc)


def a_gateway_of_a_public_address_stays_attached(aws: Aws) -> None:
    network = aws.network()
    aws.launch(network)
    with refused("DependencyViolation", text="mapped public address"):
        aws.ec2.detach_internet_gateway(InternetGatewayId=network.gateway, VpcId=network.vpc)


def an_interface_in_use_stays(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    (interface,) = aws.instance(instance)["NetworkInterfaces"]
    with refused("InvalidParameterValue", text="in use"):
        aws.ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])


def an_elastic_address_in_use_is_not_released(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    allocation = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
    aws.ec2.associate_address(InstanceId=instance, AllocationId=allocation)
    with refused("InvalidIPAddress.InUse"):
        aws.ec2.release_address(AllocationId=allocation)


def a_main_route_table_stays(aws: Aws) -> None:
    network = aws.network()
    tables = aws.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [network.vpc]}])["RouteTables"]
    with refused("DependencyViolation"):
        aws.ec2.delete_route_table(RouteTableId=tables[0]["RouteTableId"])


PROMISES = (
    a_group_of_an_instance_stays,
    a_group_that_a_rule_names_stays,
    a_default_group_stays,
    a_subnet_of_an_instance_stays,
    a_vpc_with_a_gateway_stays,
    a_vpc_with_a_group_stays,
    a_gateway_of_a_public_address_stays_attached,
    an_interface_in_use_stays,
    an_elastic_address_in_use_is_not_released,
    a_main_route_table_stays,
)


test_the_sandbox_keeps, test_plain_moto_breaks = drive(PROMISES)


def test_a_volume_in_use_stays(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    (mapping,) = aws.instance(instance)["BlockDeviceMappings"]
    with refused("VolumeInUse"):
        aws.ec2.delete_volume(VolumeId=mapping["Ebs"]["VolumeId"])


def test_a_gateway_attached_to_a_vpc_stays(aws: Aws) -> None:
    with refused("DependencyViolation"):
        aws.ec2.delete_internet_gateway(InternetGatewayId=aws.network().gateway)


def test_a_route_table_of_a_subnet_stays(aws: Aws) -> None:
    network = aws.network()
    table = aws.ec2.create_route_table(VpcId=network.vpc)["RouteTable"]["RouteTableId"]
    aws.ec2.associate_route_table(RouteTableId=table, SubnetId=network.subnet)
    with refused("DependencyViolation"):
        aws.ec2.delete_route_table(RouteTableId=table)


def test_all_of_it_goes_once_the_instance_has_ended(aws: Aws) -> None:
    network = aws.network()
    instance = aws.launch(network)
    aws.wait(instance, "running")
    with refused("DependencyViolation"):
        aws.ec2.delete_subnet(SubnetId=network.subnet)
    aws.ec2.terminate_instances(InstanceIds=[instance])
    aws.wait(instance, "terminated")
    aws.ec2.delete_security_group(GroupId=network.group)
    aws.ec2.delete_subnet(SubnetId=network.subnet)
    aws.ec2.detach_internet_gateway(InternetGatewayId=network.gateway, VpcId=network.vpc)
    aws.ec2.delete_internet_gateway(InternetGatewayId=network.gateway)
    aws.ec2.delete_vpc(VpcId=network.vpc)
    assert network.vpc not in {vpc["VpcId"] for vpc in aws.ec2.describe_vpcs()["Vpcs"]}
