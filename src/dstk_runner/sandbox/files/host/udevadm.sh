#!/bin/sh
# What udev does of a machine's volumes, whenever it is asked for anything: their nodes, and their names by id and label.
# A volume is one of the kernel's loop devices, and the list says which.
set -eu
list=/etc/attached-volumes
[ -e $list ] || exit 0
mkdir -p /dev/disk/by-id /dev/disk/by-label
for link in /dev/disk/by-label/* /dev/disk/by-id/*; do
  if [ -L "$link" ]; then rm -f "$link"; fi
done
for node in /dev/nvme*n1 /dev/xvd*; do
  if [ -b "$node" ] && ! grep -q "^${node#/dev/} " $list; then rm "$node"; fi
done
while read -r node number volume; do
  if [ "$(stat -c %t:%T "/dev/$node" 2>/dev/null)" != "7:$(printf %x "$number")" ]; then
    rm -f "/dev/$node"
    mknod "/dev/$node" b 7 "$number"
  fi
  case $node in
    nvme*) ln -sfn "../../$node" "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$volume" ;;
  esac
  label=$(blkid -p -s LABEL -o value "/dev/$node" || true)
  if [ -n "$label" ]; then ln -sfn "../../$node" "/dev/disk/by-label/$label"; fi
done <$list
