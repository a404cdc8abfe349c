"""The least policy of IAM with which a deployment can be made, looked at and removed.

The calls stand in permissions.json, each with what it is for. Where AWS can tell, a policy allows to change only what
carries the deployment's tag, and to make only what is given it:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from dstk_runner.config import Config
from dstk_runner.project import load_backup, load_bucket, load_schedule
from dstk_runner.resources import BAKED, TAG, find_builders

__all__ = ["Permission", "find_permissions", "make_policy"]

#: What EC2 makes on its way to what is asked for bears the tag too.
_MADE = ("instance", "internet-gateway", "key-pair", "network-interface", "route-table", "security-group", "subnet")
#: What a launch is given beside the image. It is used, not changed, so that it need not bear the tag.
_USED = ("key-pair", "security-group", "subnet")
#: Characters, without blanks, that a managed policy has room for:
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_LIMIT = 6144
#: What stands for several actions where room is short. Not in `Make`: with `ec2:Create*` come CreateTags, and with them
#: the tag on what is somebody else's.
_VERB = re.compile(r"\w+:[A-Z][a-z0-9]+")
_OF_WHAT_IS_THERE = ("ec2:CreateSnapshot", "ec2:CreateVolume")
_WITHIN_A_VPC = frozenset({"ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet"})


@dataclass(frozen=True)
class Permission:
    """A call that dstk makes: whether it reads, makes or changes, and what for.

    `needed` names the part of the configuration that it comes with; empty is always. `unseen` says why no call shows
    it, where AWS asks for it beside a call.
    """

    action: str
    does: str
    purpose: str
    needed: str = ""
    unseen: str = ""

    @property
    def service(self) -> str:
        """The service, as a policy names it."""
        return self.action.partition(":")[0]


def find_permissions(config: Config, *, bake: bool = False) -> list[Permission]:
    """Return what a deployment of this configuration calls, and what `dstk bake` does beside that."""
    parts = {"", *(["domain"] if config.domain else []), *(["ssm"] if config.access == "ssm" else [])}
    parts |= {"elastic_ip"} if config.elastic_ip else set()
    parts |= {"spot"} if config.spot else set()
    parts |= {"budget"} if config.budget and config.budget_email else set()
    parts |= {"backup"} if config.schedule_backup else set()
    parts |= {"bake"} if bake else set()
    rows = json.loads(files(__package__).joinpath("permissions.json").read_text(encoding="utf-8"))
    known = [
        Permission(row["action"], row["does"], row["for"], row.get("with", ""), row.get("unseen", "")) for row in rows
    ]
    return [permission for permission in known if permission.needed in parts]


def make_policy(config: Config, *, bake: bool = False) -> dict[str, Any]:
    """Return the policy document; where it is too long for IAM, with actions of one verb as one.

    With `bake` it is that of `dstk bake`, whose host is in a deployment of its own.
    """
    if bake:
        alone: dict[str, Any] = {"access": "ssh", "domain": "", "budget": 0, "schedule_backup": {}}
        config = replace(config, deployment=find_builders(config.deployment), **alone)
    statements = list(_make_statements(config, bake=bake))
    policy = {"Version": "2012-10-17", "Statement": statements}
    if len(json.dumps(policy, separators=(",", ":"))) > _LIMIT:
        policy["Statement"] = [_shorten(statement, config.deployment) for statement in statements]
    return policy


def _make_statements(config: Config, *, bake: bool) -> Iterator[dict[str, Any]]:
    permissions = find_permissions(config, bake=bake)
    partition = _find_partition(config.region)
    here = f"arn:{partition}:ec2:{config.region}"
    requested = {"StringEquals": {f"aws:RequestTag/{TAG}": config.deployment}}
    tagged = {"StringEquals": {f"aws:ResourceTag/{TAG}": config.deployment}}
    making = _select(permissions, "make", "ec2")
    # a policy has room for 6144 characters: what only describes is allowed as one
    reads = (action for action in _select(permissions, "read") if not action.startswith("ec2:Describe"))
    yield _allow("Read", ["ec2:Describe*", *reads], ["*"])
    made = (*_MADE, "snapshot", "volume", "vpc", *(["elastic-ip"] if config.elastic_ip else []))
    made += ("spot-instances-request",) if config.spot else ()
    yield _allow("Make", making, [f"{here}:*:{kind}/*" for kind in made], requested)
    within = [action for action in making if action in _WITHIN_A_VPC]
    yield _allow("MakeInVpc", within, [f"{here}:*:vpc/*"])
    used = [f"{here}::image/*", *(f"{here}:*:{kind}/*" for kind in _USED)]
    yield _allow("LaunchFrom", ["ec2:RunInstances"], used)
    at_birth = {"StringEquals": {"ec2:CreateAction": [action.partition(":")[2] for action in making]}}
    yield _allow("TagWhatIsMade", ["ec2:CreateTags"], [f"{here}:*:*/*"], at_birth)
    # a snapshot is asked of its volume, and a volume of its snapshot, which bear the tag
    changing = sorted([*_select(permissions, "change", "ec2"), *_OF_WHAT_IS_THERE])
    yield _allow("ChangeWhatIsTagged", changing, [f"{here}:*:*/*"], tagged)
    if bake:
        yield from _make_bake_statements(permissions, here)
        return
    yield from _make_schedule_statements(config, permissions, partition)
    if config.access == "ssm":
        yield from _make_session_statements(config, permissions, partition)
    if config.domain:
        names = _select(permissions, "change", "route53")
        yield _allow("Name", names, [f"arn:{partition}:route53:::hostedzone/*"], _make_names(config.domain))


def _make_bake_statements(permissions: list[Permission], here: str) -> Iterator[dict[str, Any]]:
    """Yield what images need: they are made of any instance, for snapshots have no tag yet, and bear dstk's tag."""
    kept = [f"{here}::image/*", f"{here}::snapshot/*"]
    yield _allow("Bake", _select(permissions, "bake"), [f"{here}:*:instance/*", *kept])
    at_birth = {"StringEquals": {"ec2:CreateAction": ["CreateImage"]}}
    yield _allow("TagWhatIsBaked", ["ec2:CreateTags"], kept, at_birth)
    ours = {"Null": {f"aws:ResourceTag/{BAKED}": "false"}}
    yield _allow("RemoveWhatIsBaked", _select(permissions, "unbake"), kept, ours)


def _make_schedule_statements(
    config: Config, permissions: list[Permission], partition: str
) -> Iterator[dict[str, Any]]:
    """Yield what schedules need: one group, and one role, which nobody but the scheduler is given."""
    schedules = load_schedule()
    scheduler, group = f"arn:{partition}:scheduler:{config.region}:*", schedules.find_group(config.deployment)
    name, roles = (config.deployment, config.region), f"arn:{partition}:iam::*:role{schedules.PATH}"
    # for room too, all of these two services is allowed, with what bears the name alone
    groups = [group, schedules.find_expiry_group(config.deployment)]
    places = [f"{scheduler}:schedule{place}" for name in groups for place in (f"/{name}/*", f"-group/{name}")]
    yield _allow("Schedule", ["scheduler:*"], places)
    own = [f"{roles}{schedules.find_role(*name)}", f"{roles}{schedules.find_expiry_role(*name)}"]
    services = ["scheduler.amazonaws.com"]
    if any(item.needed == "budget" for item in permissions):
        own.append(f"{roles}{schedules.find_budget_role(*name)}")
        services.append("budgets.amazonaws.com")
        budget = f"arn:{partition}:budgets::*:budget/{schedules.find_budget(*name)}"
        yield _allow("Budget", ["budgets:*"], [budget, f"{budget}/action/*"])
        # AWS Budgets attaches this one policy to the role of the schedules, and who raises the budget takes it off
        hold = f"arn:{partition}:iam::*:policy{schedules.PATH}{schedules.find_hold(*name)}"
        yield _allow("Hold", _select(permissions, "hold"), [hold])
        yield _allow("Lift", _select(permissions, "lift"), own[:1], {"ArnLike": {"iam:PolicyARN": hold}})
    if any(item.needed == "backup" for item in permissions):
        own.append(f"{roles}{load_backup().find_role(*name)}")
        services.append("dlm.amazonaws.com")
        policies = f"arn:{partition}:dlm:{config.region}:*:policy/*"
        tagged = {"StringEquals": {f"aws:ResourceTag/{TAG}": config.deployment}}
        yield _allow("Backups", ["dlm:*"], [policies], tagged)
        making = ["dlm:CreateLifecyclePolicy", "dlm:TagResource"]
        yield _allow("MakeBackups", making, ["*"], {"StringEquals": {f"aws:RequestTag/{TAG}": config.deployment}})
    actions = {item.action for item in permissions if item.action.startswith("iam:") and not item.needed}
    yield _allow("Scheduler", sorted(actions - {"iam:GetRole", "iam:PassRole"}), own)
    passed = list(own)
    if config.access == "ssm":
        passed.append(f"{roles}{config.deployment}-{config.region}")
        services.append("ec2.amazonaws.com")
    yield _allow("PassRole", ["iam:PassRole"], passed, {"StringEquals": {"iam:PassedToService": services}})


def _make_session_statements(config: Config, permissions: list[Permission], partition: str) -> Iterator[dict[str, Any]]:
    """Yield what Session Manager needs; the one policy that may be attached is AWS's own for it."""
    iam = f"arn:{partition}:iam::*"
    name = f"dstk/{config.deployment}-{config.region}"
    role = f"{iam}:role/{name}"
    core = {"ArnEquals": {"iam:PolicyARN": f"arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"}}
    bucket = f"arn:{partition}:s3:::{load_bucket().bucket_name(config.deployment, '????', config.region)}"
    ssm = f"arn:{partition}:ssm:*"
    tagged = {"StringEquals": {f"ssm:resourceTag/{TAG}": config.deployment}}
    changes = [action for action in _select(permissions, "change", "iam") if "RolePolicy" not in action]
    yield _allow("Profile", changes, [role, f"{iam}:instance-profile/{name}"])
    yield _allow("AttachOnePolicy", _select(permissions, "attach"), [role], core)
    yield _allow("Bucket", _select(permissions, "change", "s3"), [bucket, f"{bucket}/*"])
    instances = f"arn:{partition}:ec2:{config.region}:*:instance/*"
    yield _allow("Session", ["ssm:StartSession"], [instances], tagged)
    yield _allow("SessionDocument", ["ssm:StartSession"], [f"{ssm}:*:document/SSM-SessionManagerRunShell"])
    yield _allow("EndSession", ["ssm:TerminateSession"], [f"{ssm}:*:session/*"])


def _make_names(domain: str) -> dict[str, Any]:
    """Return the condition of a change: addresses of names under the domain, and whose they are.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-rrset-conditions.html
    """
    key = "route53:ChangeResourceRecordSets"
    return {
        "ForAllValues:StringLike": {f"{key}NormalizedRecordNames": [f"*.{domain.rstrip('.').lower()}"]},
        "ForAllValues:StringEquals": {f"{key}RecordTypes": ["A", "TXT"]},
    }


def _shorten(statement: Mapping[str, Any], deployment: str) -> dict[str, Any]:
    """Return a statement in fewer characters, that still allows nothing but what is the deployment's.

    `ec2:Delete*` stands in the place of three and more actions that begin so. Of roles, one name with a star stands for
    all that begin with the deployment's, and of what is made, one letter for all kinds that begin with it.
    """
    changed: dict[str, Any] = {}
    match statement["Sid"]:
        case "PassRole" | "Scheduler":
            beginnings = (name.partition(f"/{deployment}")[0] for name in statement["Resource"])
            changed["Resource"] = [f"{name}/{deployment}*" for name in dict.fromkeys(beginnings)]
        case "Make":
            changed["Resource"] = list(dict.fromkeys(map(_shorten_kind, statement["Resource"])))
        case "TagWhatIsMade":
            # only with what is made; what that may be, the other statements say
            changed["Condition"] = {"Null": {"ec2:CreateAction": "false"}}
        case "Budget":
            changed["Resource"] = [f"{statement['Resource'][0]}*"]
        case "Profile":
            # the role is one of those of the statement Scheduler
            changed = {"Action": ["iam:*InstanceProfile"], "Resource": statement["Resource"][1:]}
        case "Bucket" | "ChangeWhatIsTagged":
            verbs: dict[str, list[str]] = {}
            for action in statement["Action"]:
                verbs.setdefault(_VERB.findall(action)[0], []).append(action)
            parts = ([f"{verb}*"] if len(actions) > 2 else actions for verb, actions in verbs.items())
            changed["Action"] = [action for part in parts for action in part]
    return {**statement, **changed}


def _shorten_kind(name: str) -> str:
    """Return a name with `s*/*` and `v*/*` for kinds that begin so: those that can be made are all allowed already."""
    place, _, kind = name.rpartition(":")
    return f"{place}:{kind[0]}*/*" if kind[0] in "sv" else name


def _select(permissions: Iterable[Permission], does: str, service: str = "") -> list[str]:
    return sorted({item.action for item in permissions if item.does == does and service in ("", item.service)})


def _allow(
    sid: str, actions: list[str], resources: list[str], condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def _find_partition(region: str) -> str:
    import boto3

    return str(boto3.session.Session().get_partition_for_region(region))
