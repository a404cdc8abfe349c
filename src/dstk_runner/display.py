"""Results as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dstk_runner.config import Config
from dstk_runner.costs import estimate as estimate_cost
from dstk_runner.errors import DstkError
from dstk_runner.lease import Extension, describe_end
from dstk_runner.results import Check, Deployment, Failure, Logs, Plan, Receipt, Resource, Tls

__all__ = [
    "make_table",
    "render_checks",
    "render_deployment",
    "render_error",
    "render_extension",
    "render_failures",
    "render_gone",
    "render_logs",
    "render_plan",
    "render_receipt",
    "render_request",
    "render_resources",
]

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red"), "skipped": ("-", "dim")}
_STATES = {"ready": "green", "starting": "yellow", "stopped": "dim"}


def render_error(error: DstkError) -> RenderableType:
    """Say what happened and what mends it; a wrong request says so once a mistake."""
    lines = Text(error.message, style="red")
    return Group(lines, Text(f"Fix: {error.fix}")) if error.fix else lines


def render_failures(failures: Iterable[Failure]) -> RenderableType:
    """Say each failure in two lines: where and what, then the remedy. What befell many alike is said once."""
    alike: dict[tuple[object, ...], list[Failure]] = {}
    for failure in failures:
        alike.setdefault((failure.stage, failure.task, failure.message, failure.fix), []).append(failure)
    lines: list[RenderableType] = []
    for group in alike.values():
        first = group[0]
        hosts = dict.fromkeys(failure.host for failure in group if failure.host)
        students = dict.fromkeys(failure.student for failure in group if failure.student)
        place = ": ".join(filter(None, (first.stage, _enumerate(hosts), _enumerate(students), first.task)))
        lines.append(Text.assemble((f"{place}: ", "bold red"), first.message))
        if first.fix:
            lines.append(Text(f"  Fix: {first.fix}"))
    return Group(*lines)


def _enumerate(names: Iterable[str], most: int = 6) -> str:
    named = list(names)
    rest = f" and {len(named) - most} more" if len(named) > most else ""
    return ", ".join(named[:most]) + rest


def render_deployment(deployment: Deployment) -> RenderableType:
    """Show each notebook with its link and password."""
    if not deployment.notebooks:
        if deployment.failures:
            return Text("")
        nothing = Text(f"Nothing of {deployment.deployment} is in {deployment.region}. `dstk up` makes it.")
        return Group(nothing, *_render_kept(deployment.kept)) if deployment.kept else nothing
    table = make_table("student", "link", "password", "state")
    for notebook in deployment.notebooks:
        state = Text(notebook.state, style=_STATES.get(notebook.state, "red"))
        table.add_row(notebook.student, notebook.url, notebook.password or "?", state)
    parts: list[RenderableType] = [table]
    if deployment.nearly_full:
        names = ", ".join(deployment.nearly_full)
        parts.append(
            Text(f"Nearly full: the homes of {names}. Delete files, or raise home_volume_size.", style="yellow")
        )
    parts += _render_kept(deployment.kept)
    if deployment.tls:
        parts += _render_tls(deployment.tls)
    if deployment.names_by_hand:
        parts.append(
            Text("Names that are to be made where the domain is kept, before `dstk up` is run again:", style="bold")
        )
        parts += [Text(f"  {name}. 60 IN A {address}") for name, address in deployment.names_by_hand.items()]
    if deployment.pruned:
        parts.append(Text("Removed, with what each had made archived here:", style="bold"))
        parts += [Text(f"  {student}: {path}") for student, path in deployment.pruned.items()]
    if deployment.gone:
        parts.append(render_gone(deployment.gone))
    if deployment.idle:
        parts += _render_idle(deployment)
    if deployment.until:
        parts.append(Text(describe_end(deployment.until)))
    if deployment.budget_spent:
        parts.append(
            Text("The budget is spent: no schedule starts the hosts until `budget` is raised.", style="yellow")
        )
    return Group(*parts)


def _render_idle(deployment: Deployment) -> Iterable[RenderableType]:
    """Say why hosts are up and when they stop, or why they are stopped; what is alike is said once."""
    alike: dict[str, list[str]] = {}
    for idle in deployment.idle:
        seated = [notebook.student for notebook in deployment.notebooks if notebook.instance_id == idle.instance_id]
        why: dict[str, list[str]] = {}
        for student, text in idle.why.items():
            if idle.state == "busy" and text == "nothing runs":
                continue  # others hold the host up
            why.setdefault(text, []).append(student)
        # whose host it is need not be said again where there is one notebook
        reasons = "; ".join(
            text if people in (["(host)"], seated) else f"{', '.join(people)}: {text}" for text, people in why.items()
        )
        since, stops, looked = (when.replace("T", " ")[:16] for when in (idle.since, idle.stops_at, idle.looked_at))
        words = {
            "busy": f"up: {reasons}",
            "idle": f"idle since {since} UTC ({reasons or 'no notebook'}); stops at {stops} UTC",
            "ending": f"idle since {since} UTC, and about to stop, at {stops} UTC, unless somebody asks for more time",
            "off": "up until it is stopped: idle_timeout is 0",
            "interrupted": f"up until {stops} UTC: {reasons}",
            "stopped": f"stopped{f' at {since} UTC' if since else ''}: {reasons}",
            "late": f"the idle stop has not looked since {looked} UTC\n    Fix: dstk up",
        }.get("late" if idle.late else idle.state, idle.state)
        alike.setdefault(words, []).append(", ".join(seated) or idle.instance_id)
    if alike:
        yield Text("Hosts:", style="bold")
    for words, names in alike.items():
        yield Text(f"  {', '.join(names)}: {words}")


def _render_kept(kept: Iterable[Resource]) -> Iterable[RenderableType]:
    """Name the volumes and backups that stay without a host, and cost."""
    rows = list(kept)
    if rows:
        yield Text("Kept, and billed by the month (`dstk up` uses the volumes again):", style="bold")
    for item in rows:
        until = f", expires after {item.expires}" if item.expires else ""
        yield Text(
            f"  {item.kind} {item.id}: the homes of {item.homes}, {item.gigabytes} GB, {_tell_price(item)}{until}"
        )


def _tell_price(item: Resource) -> str:
    if item.usd_month is None:
        return "at a price that is not known here"
    return f"{'' if item.kind == 'volume' else 'at most '}{item.usd_month:.2f} USD a month"


def _render_tls(tls: Tls) -> Iterable[RenderableType]:
    """Say what browsers have to trust, where they do not by themselves."""
    if tls.mode == "acme":
        return
    yield Text("Certificates of the deployment's own authority, which browsers have to trust once:", style="bold")
    if tls.ca_file:
        yield Text(f"  {tls.ca_file}", overflow="fold", no_wrap=True)
        yield Text(f"  SHA-256 {tls.sha256}", overflow="fold", no_wrap=True)
        yield Text("  `dstk handouts` puts it beside the students' pages, with the steps for each system.")
    if tls.reason:
        yield Text(f"  Why none of a public authority: {tls.reason}")


def render_extension(extension: Extension) -> RenderableType:
    """Say until when the deployment runs."""
    return Text(describe_end(extension.until) if extension.until else "")


def render_gone(gone: Mapping[str, str]) -> RenderableType:
    """Name who has a seat and is no longer in the roster, and the host of each."""
    lines = [Text("No longer in the roster (`dstk up --prune` archives their work and removes them):", style="bold")]
    return Group(*lines, *(Text(f"  {student} on {host}") for student, host in gone.items()))


def render_checks(checks: Iterable[Check], *, only_bad: bool = False) -> RenderableType:
    """Show one line a check, and its remedy below where it needs one."""
    lines = []
    for check in checks:
        if only_bad and check.status not in ("warn", "fail"):
            continue
        mark, style = _MARKS[check.status]
        lines.append(Text.assemble((f"{mark} ", style), (f"{check.name:<15} ", "bold"), check.message))
        if check.fix and check.status in ("warn", "fail"):
            lines.append(Text(f"  {'':<15} Fix: {check.fix}"))
    return Group(*lines)


def render_plan(plan: Plan) -> RenderableType:
    """Show what would be made, what is there, and what may not be wanted."""
    parts: list[RenderableType] = []
    parts += [Text.assemble((f"{name:<12}", "bold"), value) for name, value in _describe(plan).items()]
    if plan.changes:
        parts.append(Text("\nWould be done:", style="bold"))
        parts += [Text(f"  + {change.task.rpartition(' | ')[2]}") for change in plan.changes]
    else:
        parts.append(Text("\nNothing would be made or changed in AWS.", style="bold"))
    if plan.existing:
        parts += [Text("\nIs there:", style="bold"), render_resources(plan.existing)]
    if plan.warnings:
        parts += [Text(""), render_checks(plan.checks, only_bad=True)]
    return Group(*parts)


def _describe(plan: Plan) -> Mapping[str, str]:
    network, instance, image = plan.network, plan.instance, plan.image
    facts = {
        "deployment": f"{plan.deployment} in {plan.region}",
        "class": next((check.message for check in plan.checks if check.name == "class"), ""),
        "cost": next((check.message for check in plan.checks if check.name == "cost"), ""),
        "instance": _describe_instance(instance) if instance else "",
        "image": " ".join(str(image[key]) for key in ("id", "name") if image.get(key)),
        "": _describe_baked(image),
        "network": f"{network.get('vpc') or 'a new VPC'} in {', '.join(network.get('zones', ()))}",
        "open to": ", ".join(network.get("allowed_cidrs", ())),
        "address": str(instance.get("address") or "a public one each, which AWS gives at the start"),
    }
    return {name: value for name, value in facts.items() if value}


def _describe_baked(image: Mapping[str, Any]) -> str:
    if not image.get("baked"):
        return ""
    return f"with Docker and the notebook image inside, baked {str(image['baked'])[:10]} (`baked: never` leaves it out)"


def _describe_instance(instance: Mapping[str, Any]) -> str:
    place = f"{instance.get('type', '')} in {instance.get('zone', '')}"
    return f"{instance['id']}, a {place}, {instance.get('state')}" if instance["id"] else f"a new {place}"


def render_resources(resources: Iterable[Resource]) -> RenderableType:
    """Show what is there, with what costs money marked."""
    table = make_table("kind", "id", "name", "state", "")
    for item in resources:
        table.add_row(item.kind, item.id, item.name, item.state, "costs money" if item.billed else "")
    return table


def render_receipt(receipt: Receipt) -> RenderableType:
    """Show each resource by its id, gone or still there, and the verdict."""
    if not (receipt.gone or receipt.left):
        if not receipt.kept:
            return Text(f"Nothing of {receipt.deployment} is in {receipt.region}.")
        nothing = Text(f"Nothing of {receipt.deployment} is in {receipt.region}, but for what is kept.")
        return Group(nothing, *_render_kept(receipt.kept))
    table = make_table("kind", "id", "name", "")
    for item in receipt.gone:
        table.add_row(item.kind, item.id, item.name, Text("gone", style="green"))
    for item in receipt.left:
        words = "still there, costs money" if item.billed else "still there, costs nothing"
        table.add_row(item.kind, item.id, item.name, Text(words, style="red" if item.billed else "yellow"))
    verdict = "Nothing is left."
    if receipt.kept:
        verdict = "Nothing is left but what is kept. `--delete-data` deletes volumes, too; `dstk restore` uses backups."
    if receipt.left:
        verdict = "Run `dstk destroy` again for what is left."
    lines = [Text(verdict)]
    if receipt.images:
        names = ", ".join(f"{image.id}, {_tell_price(image)}" for image in receipt.images)
        lines.append(Text(f"Baked images stay, and cost as snapshots do (`dstk bake --delete all`): {names}"))
    return Group(table, *_render_kept(receipt.kept), *lines)


def render_request(config: Config) -> RenderableType:
    """Say what is about to be made, for the question whether to."""
    where = f"{config.instance_type} with {config.volume_size} GB"
    number = len(config.members)
    if number == 1:
        who = f"one notebook for {config.members[0]['student']} on a {where}"
    elif config.placement == "shared":
        who = f"{number} notebooks, several to a {where}"
    else:
        who = f"{number} notebooks, each on a {where} of its own"
    estimate = _describe_month(config)
    return Text(f"{config.deployment}: {who}, in {config.region}. It costs money until `dstk destroy`{estimate}.")


def _describe_month(config: Config) -> str:
    """Say what a month costs, left on, by the prices that are at hand; nothing where one is not known."""
    bills = estimate_cost(config, {"months": 1}, ask=False).bills
    return f": {bills[0].total:.2f} USD a month, left on" if bills and not bills[0].unknown else ""


def render_logs(logs: Logs) -> RenderableType:
    """Show each host's logs under a heading, and name the newest logs of dstk's own runs."""
    parts: list[RenderableType] = []
    for host, texts in logs.hosts.items():
        for name, lines in texts.items():
            parts.append(Text(f"{host}: {name}", style="bold"))
            parts += [Text(line) for line in lines]
    parts.append(Text("dstk's own runs, newest first:", style="bold"))
    return Group(*parts, *(Text(f"  {path}") for path in logs.runs[:5]))


def make_table(*columns: str) -> Table:
    """Return a table without lines, whose words that are to be copied stay in one piece."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        # what is to be copied stays in one piece, however narrow the screen
        table.add_column(column, no_wrap=column in ("id", "image", "link", "password"), overflow="fold")
    return table
