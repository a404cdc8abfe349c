"""What a class costs: the arithmetic, and its properties."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.plugins import load_plugin

prices = load_plugin("module_utils/dstk_prices")
cost = load_plugin("module_utils/dstk_cost")
estimates = load_plugin("module_utils/dstk_estimate")

TABLE = prices.load_prices()
REGION = "us-west-2"
NOW = datetime.datetime(2026, 9, 1, 12, 0, tzinfo=datetime.UTC)
CLASS = [{"student": f"student{number:02}", "instance_type": ""} for number in range(1, 31)]
PLAN: dict[str, Any] = {
    "region": REGION,
    "instance_type": "t3.medium",
    "placement": "dedicated",
    "students_per_host": "auto",
    "notebook_memory": "auto",
    "notebook_cpus": "auto",
    "volume_size": 30,
    "home_volume_size": "auto",
    "elastic_ip": False,
    "baked": "auto",
    "schedule": {},
    "schedule_backup": {},
    "lease": "auto",
    "idle_timeout": 120,
    "budget": 0,
    "members": CLASS,
}
fleets = st.builds(
    cost.Fleet,
    hosts=st.dictionaries(st.sampled_from(["t3.medium", "t3.large", "m7i.large"]), st.integers(1, 500), min_size=1),
    students=st.integers(1, 2000),
    root=st.integers(8, 16384),
    homes=st.integers(0, 100_000),
    snapshots=st.floats(0, 100_000),
    elastic=st.booleans(),
    spot=st.booleans(),
)
# a machine of two cores has other work, and an example may wait for it
SLOW = settings(deadline=None)
periods = st.floats(1, 10_000)
shares = st.floats(0, 1)


def add_up(fleet: Any, period: float, share: float, transfer: float = 1.0) -> Any:
    return cost.bill(fleet, TABLE, REGION, period=period, hours=share * period, transfer=transfer)


@SLOW
@given(fleets, periods, shares)
def test_a_bill_is_the_sum_of_its_lines_to_the_cent(fleet: Any, period: float, share: float) -> None:
    bill = add_up(fleet, period, share)
    assert bill.total == round(sum(item.usd for item in bill.items), 2)
    assert all(item.usd == round(item.quantity * item.price, 2) for item in bill.items)


@SLOW
@given(fleets, periods, shares, shares)
def test_more_hours_never_cost_less(fleet: Any, period: float, one: float, other: float) -> None:
    less, more = sorted((one, other))
    # each line is in whole cents
    assert add_up(fleet, period, less).total <= add_up(fleet, period, more).total + 0.05


@SLOW
@given(fleets, periods, shares)
def test_what_is_stopped_costs_its_disks_and_its_kept_addresses(fleet: Any, period: float, share: float) -> None:
    names = {item.name for item in add_up(fleet, period, 0.0, transfer=0).items}
    assert names <= {"root disks, gp3", "homes, gp3", "snapshots", "public IPv4"}
    assert ("public IPv4" in names) == fleet.elastic


@SLOW
@given(fleets, periods, shares)
def test_twice_the_period_costs_twice_as_much(fleet: Any, period: float, share: float) -> None:
    once, twice = add_up(fleet, period, share).total, add_up(fleet, 2 * period, share).total
    assert twice == pytest.approx(2 * once, abs=0.2)


@SLOW
@given(fleets, periods, shares)
def test_what_has_no_price_is_named_and_never_counted_as_nothing(fleet: Any, period: float, share: float) -> None:
    bill = cost.bill(fleet, TABLE, "ap-east-2", period=period, hours=share * period, transfer=1)
    known = [item for item in bill.items if item.usd is not None]
    assert {item.name for item in known} <= {"public IPv4"}
    assert bill.unknown == tuple(item.name for item in bill.items if item.usd is None) != ()
    assert bill.total == round(sum(item.usd for item in known), 2)


@SLOW
@given(st.floats(0, 200), st.floats(0, 50), st.floats(0, 10_080), st.integers(1, 40))
def test_a_host_runs_no_longer_than_a_week_has_hours(hours: float, sessions: float, minutes: float, seats: int) -> None:
    used = cost.find_used_hours(hours_a_week=hours, sessions=sessions, idle_minutes=minutes, seats=seats)
    assert min(hours, 168) <= used <= 168


def test_every_price_of_the_table_has_a_figure_and_a_source() -> None:
    assert len(TABLE.rows) > 1000
    assert all(price.usd > 0 and price.source for price in TABLE.rows.values())


def test_spot_never_costs_more_than_on_demand_in_the_table() -> None:
    spot = {key: price.usd for key, price in TABLE.rows.items() if key[0] == prices.SPOT}
    assert [key for key, usd in spot.items() if usd > TABLE.rows[prices.INSTANCE, *key[1:]].usd] == []


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_other_partitions_have_other_prices(region: str) -> None:
    assert TABLE.find(prices.ADDRESS, region).usd is None


def test_the_neighbours_of_a_type_are_of_its_family() -> None:
    assert TABLE.find_neighbours("t3.medium", REGION) == ("t3.small", "t3.large")
    assert TABLE.find_neighbours("t2.micro", REGION) == ("", "t2.small")
    assert TABLE.find_neighbours("x9.huge", REGION) == ("", "")


def test_a_class_is_billed_left_on_by_its_schedule_and_with_the_idle_stop() -> None:
    schedule = {"start": "Mon-Fri 08:00", "stop": "22:00"}
    bills = estimates.estimate({**PLAN, "schedule": schedule}, TABLE).bills
    # 14 hours on five days, and the quarter of an hour that hosts start before
    hours = {name: round(bill.hours / (3 * 730) * 168, 2) for name, bill in bills.items()}
    assert hours == {"left on": 168, "schedule": 71.25, "idle stop": 16}


def test_without_an_idle_stop_there_is_no_bill_for_it() -> None:
    assert list(estimates.estimate({**PLAN, "idle_timeout": 0}, TABLE).bills) == ["left on"]


def test_shared_hosts_are_counted_by_the_rules_of_their_seats() -> None:
    fleet, seats = estimates.find_fleet({**PLAN, "placement": "shared", "instance_type": "m7i.large"}, TABLE)
    # (8192 - 512) MB for notebooks of 2048 each
    assert (fleet.hosts, seats, fleet.homes) == ({"m7i.large": 10}, 3, 300)


def test_a_shared_type_that_nobody_knows_is_told_and_not_guessed() -> None:
    with pytest.raises(estimates.UnknownTypeError, match=r"x9\.huge"):
        estimates.estimate({**PLAN, "placement": "shared", "instance_type": "x9.huge"}, TABLE)


def test_a_students_own_type_is_billed_as_such() -> None:
    own = [{"student": "ada", "instance_type": "t3.large"}, {"student": "bob", "instance_type": ""}]
    fleet, _ = estimates.find_fleet({**PLAN, "members": own}, TABLE)
    assert fleet.hosts == {"t3.large": 1, "t3.medium": 1}


def test_it_says_what_a_smaller_type_and_sharing_would_save() -> None:
    choices = {choice.words: choice for choice in estimates.estimate(PLAN, TABLE).choices}
    smaller = choices["a smaller type, t3.small"]
    # half the price of 30 instances that run 2190 hours
    assert smaller.saved["left on"] == pytest.approx(30 * 2190 * 0.0208, abs=0.02)
    assert any(words.startswith("placement: shared") for words in choices)
    assert choices["a larger type, t3.large"].saved["left on"] < 0


def test_spot_is_the_price_where_it_is_asked_for_and_the_comparison_is_the_other_way_around() -> None:
    usual, spot = estimates.estimate(PLAN, TABLE), estimates.estimate({**PLAN, "spot": True}, TABLE)
    assert "t3.medium, spot" in [item.name for item in spot.bills["left on"].items]
    saved = {choice.words: choice.saved["left on"] for choice in (*usual.choices, *spot.choices)}
    assert saved[estimates.SPOT] == pytest.approx(-saved[estimates.ON_DEMAND])
    assert (estimates.ON_DEMAND in {choice.words for choice in usual.choices}, saved[estimates.SPOT] > 0) == (
        False,
        True,
    )
    assert any("prices of spot change" in note for note in spot.notes)


def test_a_budget_is_compared_with_the_price_of_spot() -> None:
    plan = {**PLAN, "members": CLASS[:10], "lease": 30, "budget": 250}
    assert estimates.judge_budget(plan, TABLE, NOW)[0] == "over"
    assert estimates.judge_budget({**plan, "spot": True}, TABLE, NOW)[0] == "ok"


def test_snapshots_of_every_day_are_counted() -> None:
    fleet, _ = estimates.find_fleet({**PLAN, "schedule_backup": {"at": "03:00", "keep": 7}}, TABLE)
    # half of 300 GB, and 2 % of it for each of the six days after the first
    assert fleet.snapshots == pytest.approx(150 * 1.12)


def test_a_plan_within_its_budget_is_well() -> None:
    one = {**PLAN, "members": CLASS[:1], "budget": 20}
    assert estimates.judge_budget(one, TABLE, NOW)[0] == "ok"


def test_a_plan_beyond_its_budget_is_refused_with_what_mends_it() -> None:
    verdict, words, fix = estimates.judge_budget({**PLAN, "budget": 200}, TABLE, NOW)
    assert verdict == "over"
    assert words.startswith("left on until 2026-12-30 12:00 UTC it costs 4")
    assert "a schedule with start and stop" in fix


def test_what_was_extended_is_reckoned_until_the_end_it_has_now() -> None:
    one = {**PLAN, "members": CLASS[:1], "budget": 20}
    later = (NOW + datetime.timedelta(days=300)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert estimates.judge_budget(one, TABLE, NOW, [later])[0] == "over"


ONE = {**PLAN, "members": CLASS[:1], "lease": 7, "budget": 20}


@pytest.mark.parametrize(
    ("keys", "asked", "verdict"),
    [
        ({}, {"by": "7d"}, "ok"),
        ({}, {"by": "300d"}, "over"),
        ({}, {"until": "2027-08-31"}, "over"),
        # what saves is well, whatever the budget is
        ({"budget": 1}, {"until": "2026-09-03"}, "ok"),
        ({"budget": 1}, {"by": "1h"}, "over"),
        ({}, {"hosts": [{"t3.medium": 1}, {"t3.large": 1}]}, "ok"),
        ({}, {"hosts": [{"t3.medium": 1}, {"m5.2xlarge": 1}]}, "over"),
        ({"budget": 1}, {"hosts": [{"t3.medium": 2}, {"t3.small": 1, "t3.medium": 1}]}, "ok"),
        # what has no price may cost anything
        ({}, {"hosts": [{"t3.medium": 1}, {"x9.huge": 1}]}, "unknown"),
        ({"budget": 1}, {"hosts": [{"t3.medium": 1}, {"x9.huge": 1}]}, "over"),
        ({"budget": 1}, {"hosts": [{"t3.medium": 1, "x9.huge": 1}, {"t3.small": 1, "x9.huge": 1}]}, "ok"),
        ({"budget": 1}, {"hosts": [{"t3.medium": 2}, {"t3.small": 1, "x9.huge": 1}]}, "over"),
        # in eu-west-1 the table knows no transfer, of which a smaller type makes no more
        ({"budget": 1, "region": "eu-west-1"}, {"hosts": [{"t3.medium": 1}, {"t3.small": 1}]}, "ok"),
        ({"budget": 1, "region": "eu-west-1"}, {"by": "1d", "hosts": [{"t3.small": 1}, {"t3.small": 1}]}, "over"),
        # nothing is made, changed or prolonged
        ({"budget": 1}, {"hosts": [{"x9.huge": 1}, {"x9.huge": 1}]}, "ok"),
        # what ends later is what is there, whatever the plan would make
        ({}, {"by": "7d", "hosts": [{"m5.2xlarge": 1}, {"m5.2xlarge": 1}]}, "over"),
        ({"instance_type": "m5.2xlarge"}, {"by": "7d", "hosts": [{"t3.medium": 1}, {"t3.medium": 1}]}, "ok"),
    ],
)
def test_a_change_is_judged_by_what_it_costs_until_the_end(
    keys: dict[str, Any], asked: dict[str, Any], verdict: str
) -> None:
    assert estimates.judge_change({**ONE, **keys}, TABLE, NOW, **asked)[0] == verdict


def test_an_end_that_means_nothing_is_not_judged() -> None:
    with pytest.raises(ValueError, match="neither days nor hours"):
        estimates.judge_change(ONE, TABLE, NOW, by="soon")


@pytest.mark.parametrize(
    ("named", "after"),
    [([], {"m7i.large": 3}), (["ada"], {"m7i.large": 1, "t3.medium": 2}), (["bob"], {"t3.medium": 3})],
)
def test_those_hosts_get_the_type_on_which_nobody_else_sits(named: list[str], after: dict[str, int]) -> None:
    seats = [["ada"], ["bob", "eve"], ["eve"]]
    assert resize([("t3.medium", sat, "") for sat in seats], "m7i.large", named) == [{"t3.medium": 3}, after]


def resize(hosts: list[tuple[str, list[str], str]], *asked: Any) -> list[dict[str, int]]:
    rows = [(name, [{"student": student} for student in sat], lifecycle) for name, sat, lifecycle in hosts]
    counted: list[dict[str, int]] = load_plugin("filter/dstk_cost").dstk_resized(rows, *asked)
    return counted


def test_a_host_without_a_seat_is_resized_with_all_and_with_nobody_by_name() -> None:
    hosts = [("t3.medium", ["ada"], ""), ("t3.small", [], "")]
    assert resize(hosts, "m7i.large", ["ada"])[1] == {"m7i.large": 1, "t3.small": 1}
    assert resize(hosts, "m7i.large", [])[1] == {"m7i.large": 2}


@pytest.mark.parametrize("named", [[], ["ada"]])
def test_a_spot_instance_keeps_its_type(named: list[str]) -> None:
    hosts = [("t3.medium", ["ada"], "spot"), ("t3.medium", ["ada"], "")]
    assert resize(hosts, "m7i.large", named) == [{"t3.medium": 2}, {"t3.medium": 1, "m7i.large": 1}]


def test_where_no_type_is_asked_for_both_are_what_is_there() -> None:
    assert resize([("t3.medium", [], ""), ("t3.small", [], "spot")]) == [{"t3.medium": 1, "t3.small": 1}] * 2
    assert resize([]) == []


def test_a_plan_that_is_over_before_it_begins_costs_nothing_that_could_be_judged() -> None:
    past = {**PLAN, "budget": 1, "schedule": {"until": "2020-01-01"}}
    verdict, words, _ = estimates.judge_budget(past, TABLE, NOW)
    assert (verdict, "its end is past" in words) == ("unknown", True)


def test_a_budget_that_nobody_can_judge_is_told_as_such() -> None:
    verdict, words, _ = estimates.judge_budget({**PLAN, "instance_type": "x9.huge", "budget": 9000}, TABLE, NOW)
    assert (verdict, "x9.huge, on demand, whose prices are not known" in words) == ("unknown", True)


def advise(*, asked: bool = False, **keys: Any) -> tuple[str, ...]:
    advice: tuple[str, ...] = estimates.advise(estimates.estimate({**PLAN, **keys}, TABLE), TABLE, asked=asked)
    return advice


def test_where_all_prices_are_known_there_is_nothing_to_advise() -> None:
    assert advise() == ()


@pytest.mark.parametrize(
    ("keys", "known"),
    [
        ({"instance_type": "t3.nano"}, "no price of t3.nano in us-west-2; it knows t3.micro, t3.small, t3.medium"),
        ({"instance_type": "x9.huge", "region": "me-south-1"}, "it knows c5, m5, m6i, r5, t3, t4g"),
        ({"region": "ap-east-2"}, "no price of t3.medium in ap-east-2; it knows no instance's price there"),
    ],
)
def test_it_says_which_types_the_table_knows_and_who_knows_the_rest(keys: dict[str, Any], known: str) -> None:
    line, fix = advise(**keys)
    assert known in line
    assert fix == "Fix: credentials that allow pricing:GetProducts, and `dstk cost` again, which then asks AWS"


def test_what_aws_does_not_know_either_needs_another_type() -> None:
    assert advise(asked=True, instance_type="x9.huge")[-1].startswith("Fix: an instance_type that is sold in us-west-2")


def test_other_prices_that_aws_does_not_know_either_need_nothing() -> None:
    assert advise(asked=True, region="eu-west-1") == ("AWS's Price List does not have it either",)
