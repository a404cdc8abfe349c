from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dstk_runner.errors import Interrupted
from dstk_runner.events import Event
from dstk_runner.playbooks import PlaybookResult, run_playbook
from dstk_runner.processes import find_processes

HEADER = """
- name: Try
  hosts: {hosts}
  gather_facts: false
  tasks:
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "playbooks").mkdir(parents=True)
    (root / "ansible.cfg").write_text("[defaults]\ninventory = hosts.ini\n")
    (root / "hosts.ini").write_text("[empty]\n")
    return root


def run(project: Path, tasks: str, *, hosts: str = "localhost", **options: object) -> PlaybookResult:
    (project / "playbooks" / "try.yml").write_text(HEADER.format(hosts=hosts) + tasks)
    log = project / "run.log"
    return run_playbook("try", extra_vars={}, log_path=log, project=project, **options)  # type: ignore[arg-type]


def test_stats_that_a_role_publishes_come_back(project: Path) -> None:
    result = run(project, "    - ansible.builtin.set_stats: {data: {dstk_image: {id: ami-1}}}\n")
    assert result.ok
    assert result.stats == {"dstk_image": {"id": "ami-1"}}


def test_extra_variables_keep_their_types(project: Path) -> None:
    tasks = "    - ansible.builtin.set_stats: {data: {seen: '{{ dstk_volume_size + 1 }}'}}\n"
    (project / "playbooks" / "try.yml").write_text(HEADER.format(hosts="localhost") + tasks)
    result = run_playbook("try", extra_vars={"dstk_volume_size": 30}, log_path=project / "log", project=project)
    assert result.stats == {"seen": 31}


def test_a_failure_carries_the_remedy_of_its_message(project: Path) -> None:
    tasks = '    - name: The disk has room\n      ansible.builtin.fail: {msg: "No room.\\nFix: raise volume_size"}\n'
    (failure,) = run(project, tasks).failures
    assert (failure.stage, failure.task, failure.host) == ("try", "The disk has room", "localhost")
    assert (failure.message, failure.fix) == ("No room.", "raise volume_size")


def test_a_rescued_failure_is_none(project: Path) -> None:
    tasks = """
    - block:
        - ansible.builtin.fail: {msg: first}
      rescue:
        - ansible.builtin.debug: {msg: mended}
    """
    assert run(project, tasks).failures == ()


def test_a_failure_after_a_rescued_one_is_the_one_reported(project: Path) -> None:
    tasks = """
    - block:
        - ansible.builtin.fail: {msg: first}
      rescue:
        - ansible.builtin.fail: {msg: "second"}
    """
    assert [failure.message for failure in run(project, tasks).failures] == ["second"]


def test_a_failure_in_a_loop_speaks_of_the_item(project: Path) -> None:
    tasks = '    - ansible.builtin.fail: {msg: "{{ item }} is bad"}\n      loop: [pear]\n'
    assert run(project, tasks).failures[0].message == "pear is bad"


def test_a_play_that_matches_no_host_is_a_failure(project: Path) -> None:
    result = run(project, "    - ansible.builtin.debug: {msg: hello}\n", hosts="empty")
    assert not result.ok
    assert "no host matched" in result.failures[0].message
    assert result.unmatched == ("try",)


def test_a_playbook_that_does_not_parse_is_a_failure_with_its_reason(project: Path) -> None:
    result = run(project, "    - ansible.builtin.no_such_module_here: {}\n")
    assert result.rc != 0
    assert "no_such_module_here" in result.failures[0].message


def test_check_mode_tells_what_would_change(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "made"
    tasks = f"    - name: The file is there\n      ansible.builtin.copy: {{dest: {target}, content: x}}\n"
    result = run(project, tasks, check=True)
    assert [(change.host, change.task) for change in result.changes] == [("localhost", "The file is there")]
    assert not target.exists()


def test_events_come_in_order_and_in_the_callers_thread(project: Path) -> None:
    seen: list[tuple[str, str | None, str]] = []

    def note(event: Event) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.append((event.stage, event.task, event.status))

    run(project, "    - name: Hello is said\n      ansible.builtin.debug: {msg: hello}\n", on_event=note)
    assert seen[0] == ("try", None, "started")
    assert seen[-1] == ("try", "Hello is said", "ok")


def test_the_log_keeps_what_ansible_printed(project: Path) -> None:
    run(project, "    - name: Hello is said\n      ansible.builtin.debug: {msg: hello}\n")
    assert "TASK [Hello is said]" in (project / "run.log").read_text()


def test_ssh_still_checks_host_keys(project: Path) -> None:
    tasks = "    - ansible.builtin.set_stats: {data: {seen: \"{{ lookup('config', 'HOST_KEY_CHECKING') }}\"}}\n"
    assert run(project, tasks).stats == {"seen": True}


@pytest.mark.parametrize("length", [20, 90])
def test_the_control_sockets_of_ssh_fit_whatever_the_home(
    project: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    folder = tempfile.mkdtemp(prefix="d", dir="/tmp")
    home = Path(folder).with_name(Path(folder).name.ljust(length, "x"))
    Path(folder).rename(home)
    monkeypatch.setenv("HOME", str(home))
    option = "lookup('config', 'control_path_dir', plugin_type='connection', plugin_name='ssh')"
    tasks = f'    - ansible.builtin.set_stats: {{data: {{seen: "{{{{ {option} }}}}"}}}}\n'
    seen = run(project, tasks).stats["seen"]
    assert len(str(Path(seen).expanduser())) + 28 < 104
    assert str(seen).endswith("/.ansible/cp") == (length == 20)
    shutil.rmtree(home)


def test_nothing_of_a_run_stays_in_the_temporary_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    run(project, "    - ansible.builtin.debug: {msg: hello}\n")
    assert list(folder.iterdir()) == []


def test_secrets_of_the_environment_are_in_no_file_while_it_runs(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    secret = "wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's own example
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    held: list[Path] = []

    def search(event: Event) -> None:
        held.extend(path for path in folder.rglob("*") if path.is_file() and secret in path.read_text(errors="replace"))

    run(project, "    - ansible.builtin.debug: {msg: hello}\n", on_event=search)
    assert held == []


def test_ctrl_c_ends_the_module_too(project: Path) -> None:
    tasks = "    - name: It sleeps\n      ansible.builtin.command: sleep 300\n"

    def press(event: Event) -> None:
        if event.task == "It sleeps" and event.host:
            threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    began = time.monotonic()
    with pytest.raises(Interrupted):
        run(project, tasks, on_event=press, run_id="interrupted-run")
    assert find_processes("interrupted-run") == set()
    assert time.monotonic() - began < 20


def test_an_exception_of_the_callback_ends_the_run_and_reaches_the_caller(project: Path) -> None:
    def break_off(event: Event) -> None:
        if event.host:
            raise LookupError("the callback's own")

    with pytest.raises(LookupError, match="the callback's own"):
        run(project, "    - ansible.builtin.command: sleep 300\n", on_event=break_off, run_id="broken-run")
    assert find_processes("broken-run") == set()


def test_a_run_does_not_outlive_a_dstk_that_is_killed(project: Path) -> None:
    tasks = "    - ansible.builtin.command: sleep 300\n"
    (project / "playbooks" / "try.yml").write_text(HEADER.format(hosts="localhost") + tasks)
    script = (
        "import pathlib, sys; from dstk_runner.playbooks import run_playbook; root = pathlib.Path(sys.argv[1]);"
        "run_playbook('try', extra_vars={}, log_path=root / 'log', project=root, run_id='killed-run')"
    )
    caller = subprocess.Popen([sys.executable, "-c", script, str(project)])
    wait_until(lambda: sleeping("killed-run"))
    caller.kill()
    caller.wait()
    wait_until(lambda: not find_processes("killed-run"))


def sleeping(run_id: str) -> bool:
    commands = (Path(f"/proc/{pid}/cmdline") for pid in find_processes(run_id))
    return any(path.exists() and path.read_bytes().startswith(b"sleep") for path in commands)


def wait_until(happened: Callable[[], bool], *, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
