"""The ends of hosts: of those that nobody sits on any more, and of all."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.dstk_ec2 import tags_of
from ansible.module_utils.dstk_elastic import end_addresses
from ansible.module_utils.dstk_fleet import Fleet
from ansible.module_utils.dstk_interrupted import end_requests
from ansible.module_utils.dstk_launch import LIVE
from ansible.module_utils.dstk_seats import find_seats, seat_key
from ansible.module_utils.dstk_volumes import DEVICE, Ended, end_volumes, name_homes


def ensure_absent(module: Any, fleet: Fleet) -> dict[str, Any]:
    """End every instance of the deployment, and delete the volumes that stayed behind, but for those with homes."""
    live, wanted = fleet.find(LIVE), {key: module.params[key] for key in ("delete_data", "final_backup")}
    if module.check_mode:
        ending, ended = [item["InstanceId"] for item in live], Ended([])
    else:
        noted = name_homes(fleet, live) if wanted["final_backup"] or not wanted["delete_data"] else []
        strays = end_requests(fleet, timeout=module.params["timeout"])
        ending = strays + fleet.end(timeout=module.params["timeout"])
        ended = end_volumes(fleet, **wanted, noted=noted)
    addresses = [] if module.check_mode else end_addresses(fleet)
    diff = {"before": {"instances": ending, "volumes": ended.deleted}, "after": {"instances": [], "volumes": []}}
    told = {
        "instance_ids": ending,
        "volume_ids": ended.deleted,
        "kept_volumes": ended.kept,
        "snapshots": ended.snapshots,
    }
    return {"changed": bool(ending or ended.deleted or addresses), **told, "diff": diff}


def ensure_released(module: Any, fleet: Fleet) -> dict[str, Any]:
    """Take the seats of students, and end the instances on which nobody sits then."""
    leaving = set(module.params["students"])
    empty, vacated, volumes = [], {}, []
    for instance in fleet.find(LIVE):
        seats = find_seats(tags_of(instance))
        going = [seat for seat in seats if seat.student in leaving]
        if len(going) == len(seats):
            empty.append(instance["InstanceId"])
            volumes += [mapping["Ebs"]["VolumeId"] for mapping in instance.get("BlockDeviceMappings", [])]
        elif going:
            disks = instance.get("BlockDeviceMappings", [])
            for key in (instance["InstanceId"], *(d["Ebs"]["VolumeId"] for d in disks if d["DeviceName"] == DEVICE)):
                vacated[key] = [seat_key(seat.seat) for seat in going]
    if not module.check_mode:
        for instance_id, keys in vacated.items():
            fleet.untag(instance_id, keys)
        if empty:
            fleet.end(empty, timeout=module.params["timeout"])
            volumes = fleet.end_volumes(volumes)
            end_addresses(fleet, empty)
    diff = {"before": {"instances": empty, "seats": vacated}, "after": {"instances": [], "seats": {}}}
    return {"changed": bool(empty or vacated), "instance_ids": empty, "volume_ids": volumes, "diff": diff}
