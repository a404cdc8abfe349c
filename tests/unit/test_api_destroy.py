"""What `destroy` removes, keeps and tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstk_runner import api
from dstk_runner.playbooks import PlaybookResult
from dstk_runner.results import Failure
from support.world import BACKUP, HOMES, INSTANCE, VPC, World


def test_a_receipt_tells_what_is_gone_from_what_is_left(world: World) -> None:
    world.found = [(INSTANCE, VPC), (VPC,)]
    world.result = PlaybookResult(rc=2, failures=(Failure(message="in use"),))
    receipt = api.destroy()
    assert (receipt.gone, receipt.left) == ((INSTANCE,), (VPC,))


def test_what_costs_money_and_is_left_makes_a_bad_receipt(world: World) -> None:
    world.found = [(INSTANCE, VPC), (INSTANCE,)]
    world.result = PlaybookResult(rc=2)
    assert not api.destroy().ok


def test_what_costs_nothing_and_is_left_does_not(world: World) -> None:
    world.found = [(INSTANCE, VPC), (VPC,)]
    world.result = PlaybookResult(rc=2)
    assert api.destroy().ok


def test_answers_that_lag_behind_are_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    world.found = [(INSTANCE,), (INSTANCE,), ()]
    assert api.destroy().left == ()


def test_volumes_with_homes_are_kept_and_make_no_bad_receipt(world: World) -> None:
    world.found = [(INSTANCE, HOMES), (HOMES,)]
    receipt = api.destroy()
    assert (receipt.ok, receipt.gone, receipt.kept, receipt.left) == (True, (INSTANCE,), (HOMES,), ())
    assert world.ran[0][1]["extra_vars"]["dstk_delete_data"] is False


def test_data_is_deleted_where_that_is_asked_for_and_its_last_backup_stays(world: World) -> None:
    world.found = [(INSTANCE, HOMES), (BACKUP,)]
    receipt = api.destroy(delete_data=True)
    assert (receipt.gone, receipt.kept, receipt.left) == ((INSTANCE, HOMES), (BACKUP,), ())


def test_where_only_kept_volumes_are_destroying_runs_nothing(world: World) -> None:
    world.found = [(HOMES,)]
    assert (api.destroy().kept, world.ran) == ((HOMES,), [])


def test_where_only_the_schedules_of_last_snapshots_are_destroying_looks_after_them(world: World) -> None:
    world.expiry = True
    assert (api.destroy().ok, [name for name, _ in world.ran]) == (True, ["destroy"])


def test_destroying_nothing_runs_nothing(world: World) -> None:
    assert (api.destroy().ok, world.ran) == (True, [])


def test_a_roster_that_is_lost_does_not_stand_in_the_way_of_destroying(world: World) -> None:
    world.found = [(INSTANCE,), ()]
    assert api.destroy({"roster": "lost.csv"}).gone == (INSTANCE,)


def test_destroying_forgets_the_passwords(world: World, home: Path) -> None:
    passwords = home / ".local/share/dstk/dstk-ada/passwords"
    passwords.mkdir(parents=True)
    (passwords / "ada").write_text("open sesame")
    world.found = [(INSTANCE,), ()]
    api.destroy()
    assert list(passwords.iterdir()) == []
