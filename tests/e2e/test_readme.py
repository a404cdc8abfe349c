"""Every command of the README, typed as written, by somebody who has a fresh clone and the sandbox for an AWS."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from support.environment import ROOT, clean_environment
from support.user import UNBAKED, Api, User

#: Blocks that are tested elsewhere in full, and where.
ELSEWHERE = {
    "make demo": "tests/demo/test_demo.py",
    "make test": ".ci/run",
    "docker build -t dstk .": "tests/e2e/test_dockerfile.py",
}


def find_blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order, without the list's indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def test_blocks_that_are_left_out_here_are_tested_where_they_are_said_to_be() -> None:
    for first_line, place in ELSEWHERE.items():
        assert any(block.splitlines()[0] == first_line for block in find_blocks("bash"))
        assert (ROOT / place).is_file()


def test_the_commands_work_in_the_order_in_which_they_stand(
    user: User, api: Api, tmp_path: Path, short_home: Path
) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    settings = api.environment | {"DSTK_SANDBOX_DIR": user.environment["DSTK_SANDBOX_DIR"]}
    newcomer = User(clone, clean_environment(short_home, **settings, **UNBAKED))
    shell = [block for block in find_blocks("bash") if block.splitlines()[0] not in ELSEWHERE and block != rehearsal()]
    [library] = find_blocks("python")
    script = ["set -euxo pipefail", *shell, f"python - <<'END'\n{library}END"]
    newcomer.shell("bash", "-c", "\n".join(script), timeout=1100)
    assert api.left("dstk-ada") == {}


def test_the_rehearsal_with_other_tools_works(user: User) -> None:
    *commands, last = rehearsal().splitlines()
    assert last == "dstk sandbox down"  # the other tests go on in this sandbox
    assert "VpcId" in user.shell("bash", "-euxc", "\n".join(commands)).stdout


def rehearsal() -> str:
    """The block that starts and ends a sandbox."""
    [block] = [block for block in find_blocks("bash") if "sandbox up" in block]
    return block
