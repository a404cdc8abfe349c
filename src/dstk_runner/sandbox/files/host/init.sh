#!/bin/sh
# Give systemd, and the Docker daemon below it, control groups they can write to: Docker mounts them read-only.
# The container has a cgroup namespace of its own, so only its own part of the tree is seen.
set -eu
umount -R /sys/fs/cgroup
if [ "$(cut -d: -f1 /proc/self/cgroup)" = 0 ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  # version 1: systemd would join cpu and cpuacct, which fails where the machine keeps them apart; follow the machine
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    folder=/sys/fs/cgroup/${controllers#name=}
    case $controllers in
      '')
        mkdir -p /sys/fs/cgroup/unified
        mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
        ;;
      *,*)
        mkdir -p "$folder"
        mount -t cgroup -o "$controllers" cgroup "$folder"
        for controller in $(echo "$controllers" | tr , ' '); do
          ln -s "$controllers" "/sys/fs/cgroup/$controller"
        done
        ;;
      *)
        mkdir -p "$folder"
        mount -t cgroup -o "$controllers" cgroup "$folder"
        ;;
    esac
  done </proc/self/cgroup
fi
# Docker's own name server is on loopback, out of reach for the containers inside this machine
if [ -s /etc/resolv.conf.machine ]; then cat /etc/resolv.conf.machine >/etc/resolv.conf; fi
# left to itself, systemd takes the id of the hardware, which all machines here share
if [ ! -s /etc/machine-id ]; then tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id; fi
# as systemd does it on a machine, but not in a container: what is unmounted is so for every service
mount --make-rshared /
# a machine has loop devices of its own; here the kernel's are shared, and their nodes are made as they may be needed
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
number=0
while [ $number -lt 256 ]; do
  [ -e /dev/loop$number ] || mknod /dev/loop$number b 7 $number
  number=$((number + 1))
done
udevadm trigger
exec /lib/systemd/systemd
