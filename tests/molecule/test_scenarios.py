"""Every molecule scenario, as an engineer runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.environment import BIN, ROOT, clean_environment

SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))


def test_there_is_a_scenario_for_each_role_and_one_for_the_whole() -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    assert set(SCENARIOS) == roles | {"default"}


def placed(scenario: str) -> object:
    """Each by itself, but the whole, which is made in a sandbox: it takes its turn among those that have one."""
    group = "sandbox-of-classes" if scenario == "default" else f"molecule-{scenario}"
    return pytest.param(scenario, marks=pytest.mark.xdist_group(group))


@pytest.mark.parametrize("scenario", [placed(scenario) for scenario in SCENARIOS])
def test_a_scenario_passes(scenario: str, short_home: Path) -> None:
    done = subprocess.run(
        [str(BIN / "molecule"), "test", "-s", scenario],
        cwd=ROOT,
        env=clean_environment(short_home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-20000:]
