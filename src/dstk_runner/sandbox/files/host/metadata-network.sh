#!/bin/sh
# A network of its own for the metadata service, one hop behind the machine as on AWS: packets of containers are forwarded
# to it, and meet what the machine's firewall says of them.
set -eu
ip netns add metadata
ip link add metadata type veth peer name eth0 netns metadata
ip addr add 169.254.169.1 peer 169.254.169.254 dev metadata
ip link set metadata up
ip -n metadata link set lo up
ip -n metadata addr add 169.254.169.254 peer 169.254.169.1 dev eth0
ip -n metadata link set eth0 up
ip -n metadata route add default via 169.254.169.1
