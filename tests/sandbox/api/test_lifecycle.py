"""Instances take their time, and have an address only while they live."""

from __future__ import annotations

import ipaddress
import time

from support.aws import Aws, refused
from support.promises import drive

PUBLIC = ipaddress.ip_network("127.77.0.0/16")


def an_instance_is_pending_before_it_runs(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    assert aws.matches(instance, "pending"), aws.state(instance)
    aws.wait(instance, "running")


def an_instance_is_stopping_before_it_is_stopped(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    aws.ec2.stop_instances(InstanceIds=[instance])
    assert aws.matches(instance, "stopping"), aws.state(instance)
    aws.wait(instance, "stopped")


def an_instance_shuts_down_before_it_is_terminated(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    aws.ec2.terminate_instances(InstanceIds=[instance])
    assert aws.matches(instance, "shutting-down"), aws.state(instance)
    aws.wait(instance, "terminated")


def a_stopping_instance_cannot_be_started(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    aws.ec2.stop_instances(InstanceIds=[instance])
    with refused("IncorrectInstanceState"):
        aws.ec2.start_instances(InstanceIds=[instance])


def a_terminated_instance_has_nothing_left(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    aws.ec2.terminate_instances(InstanceIds=[instance])
    aws.wait(instance, "terminated")
    ended = aws.instance(instance)
    assert not ended["NetworkInterfaces"], ended["NetworkInterfaces"]
    assert "VpcId" not in ended, ended["VpcId"]


def the_root_volume_ends_with_its_instance(aws: Aws) -> None:
    root = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 30, "VolumeType": "gp3"}}
    instance = aws.launch(aws.network(), BlockDeviceMappings=[root])
    aws.wait(instance, "running")
    volume = aws.instance(instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    aws.ec2.terminate_instances(InstanceIds=[instance])
    aws.wait(instance, "terminated")
    assert volume not in {left["VolumeId"] for left in aws.ec2.describe_volumes()["Volumes"]}


def the_first_interface_ends_with_its_instance(aws: Aws) -> None:
    network = aws.network()
    instance = aws.launch(network)
    aws.wait(instance, "running")
    aws.ec2.terminate_instances(InstanceIds=[instance])
    aws.wait(instance, "terminated")
    found = aws.ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [network.subnet]}])
    assert not found["NetworkInterfaces"], found["NetworkInterfaces"]


def protection_asked_for_at_the_launch_holds(aws: Aws) -> None:
    instance = aws.launch(aws.network(), DisableApiTermination=True)
    aws.wait(instance, "running")
    with refused("OperationNotPermitted", text="disableApiTermination"):
        aws.ec2.terminate_instances(InstanceIds=[instance])


def protection_of_one_protects_those_ended_with_it(aws: Aws) -> None:
    network = aws.network()
    free, protected = aws.launch(network), aws.launch(network)
    aws.wait(protected, "running")
    aws.ec2.modify_instance_attribute(InstanceId=protected, DisableApiTermination={"Value": True})
    with refused("OperationNotPermitted"):
        aws.ec2.terminate_instances(InstanceIds=[free, protected])
    assert aws.state(free) in ("pending", "running"), aws.state(free)


def a_console_shows_the_host_keys_after_a_while(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    for _ in range(100):
        output = aws.ec2.get_console_output(InstanceId=instance).get("Output", "")
        if output:
            break
        time.sleep(0.1)
    assert "-----BEGIN SSH HOST KEY KEYS-----" in output, output
    assert "ssh-ed25519 AAAA" in output, output


def the_latest_console_is_not_kept_of_an_instance_on_xen(aws: Aws) -> None:
    instance = aws.launch(aws.network(), InstanceType="t2.micro")
    with refused("UnsupportedOperation"):
        aws.ec2.get_console_output(InstanceId=instance, Latest=True)


def an_elastic_address_outlives_a_stop(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    address = aws.ec2.allocate_address(Domain="vpc")
    aws.ec2.associate_address(InstanceId=instance, AllocationId=address["AllocationId"])
    aws.ec2.stop_instances(InstanceIds=[instance])
    aws.wait(instance, "stopped")
    assert aws.instance(instance).get("PublicIpAddress") == address["PublicIp"]


def public_addresses_are_reached_on_this_machine(aws: Aws) -> None:
    launched = aws.launch_many(aws.network(), MinCount=4, MaxCount=4)
    elastic = aws.ec2.allocate_address(Domain="vpc")["PublicIp"]
    addresses = [aws.instance(instance["InstanceId"])["PublicIpAddress"] for instance in launched]
    assert all(ipaddress.ip_address(address) in PUBLIC for address in [*addresses, elastic]), addresses


def a_type_is_changed_while_stopped_and_only_to_one_that_fits(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    with refused("IncorrectInstanceState"):
        aws.ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "m7i.large"})
    aws.ec2.stop_instances(InstanceIds=[instance])
    aws.wait(instance, "stopped")
    with refused("InvalidParameterValue"):
        aws.ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "t4g.large"})
    aws.ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "m7i.large"})
    assert aws.instance(instance)["InstanceType"] == "m7i.large"


PROMISES = (
    an_instance_is_pending_before_it_runs,
    an_instance_is_stopping_before_it_is_stopped,
    an_instance_shuts_down_before_it_is_terminated,
    a_stopping_instance_cannot_be_started,
    a_terminated_instance_has_nothing_left,
    the_root_volume_ends_with_its_instance,
    the_first_interface_ends_with_its_instance,
    protection_asked_for_at_the_launch_holds,
    protection_of_one_protects_those_ended_with_it,
    a_console_shows_the_host_keys_after_a_while,
    the_latest_console_is_not_kept_of_an_instance_on_xen,
    a_type_is_changed_while_stopped_and_only_to_one_that_fits,
    an_elastic_address_outlives_a_stop,
    public_addresses_are_reached_on_this_machine,
)


test_the_sandbox_keeps, test_plain_moto_breaks = drive(PROMISES)


def test_a_stopped_instance_has_no_public_address(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    aws.ec2.stop_instances(InstanceIds=[instance])
    aws.wait(instance, "stopped")
    assert "PublicIpAddress" not in aws.instance(instance)


def test_a_started_instance_has_a_new_public_address(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    before = aws.instance(instance)["PublicIpAddress"]
    aws.ec2.stop_instances(InstanceIds=[instance])
    aws.wait(instance, "stopped")
    aws.ec2.start_instances(InstanceIds=[instance])
    aws.wait(instance, "running")
    assert aws.instance(instance)["PublicIpAddress"] not in (None, before)


def test_public_addresses_are_not_given_twice(aws: Aws) -> None:
    launched = aws.launch_many(aws.network(), MinCount=8, MaxCount=8, InstanceType="t3.micro")
    addresses = {aws.instance(instance["InstanceId"])["PublicIpAddress"] for instance in launched}
    assert len(addresses) == 8


def test_private_addresses_are_of_the_subnet(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    private = ipaddress.ip_address(aws.instance(instance)["PrivateIpAddress"])
    assert private in ipaddress.ip_network("10.77.1.0/24")


def test_ending_an_instance_twice_is_no_error(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.ec2.terminate_instances(InstanceIds=[instance])
    aws.wait(instance, "terminated")
    aws.ec2.terminate_instances(InstanceIds=[instance])
    assert aws.state(instance) == "terminated"


def test_a_reboot_keeps_an_instance_running(aws: Aws) -> None:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    aws.ec2.reboot_instances(InstanceIds=[instance])
    assert aws.state(instance) == "running"
