"""Running a playbook: the one module that imports ansible_runner."""

from __future__ import annotations

import json
import os
import queue
import shlex
import sysconfig
import tempfile
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_runner import Runner, RunnerConfig  # type: ignore[import-untyped] # it ships no types

from dstk_runner.errors import Interrupted, RunError
from dstk_runner.events import Event, OnEvent
from dstk_runner.processes import MARK, end_processes, guard
from dstk_runner.project import find_project
from dstk_runner.recorder import Recorder
from dstk_runner.results import Change, Failure

__all__ = ["PlaybookResult", "run_playbook"]

_OTHERS = frozenset(
    f"ANSIBLE_{name}"
    for name in (
        *(
            "INVENTORY",
            "INVENTORY_ENABLED",
            "ROLES_PATH",
            "LIBRARY",
            "MODULE_UTILS",
            "FILTER_PLUGINS",
            "LOOKUP_PLUGINS",
        ),
        *("VARS_PLUGINS", "VARS_ENABLED", "RUN_TAGS", "SKIP_TAGS", "FORCE_COLOR", "REMOTE_USER", "PRIVATE_KEY_FILE"),
        *(
            "CHECK_MODE_MARKERS",
            "CALLBACKS_ENABLED",
            "STRATEGY",
            "GATHERING",
            "SSH_ARGS",
            "SSH_COMMON_ARGS",
            "TRANSPORT",
        ),
    )
)
"""Settings of Ansible that would make the same playbook do something else."""


@dataclass(frozen=True, kw_only=True)
class PlaybookResult:
    """How a run ended. `stats` are the custom stats of the roles; `unmatched` the plays that found no host."""

    rc: int
    stats: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    changes: tuple[Change, ...] = ()
    unmatched: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()

    @property
    def ok(self) -> bool:
        """Ansible ended well, and at least one host was there to work on."""
        return self.rc == 0 and bool(self.hosts)


def run_playbook(
    name: str,
    *,
    extra_vars: Mapping[str, Any],
    log_path: Path,
    on_event: OnEvent | None = None,
    check: bool = False,
    limit: str | None = None,
    run_id: str | None = None,
    project: Path | None = None,
) -> PlaybookResult:
    """Run `playbooks/<name>.yml` with the environment of this process, and wait for its end.

    Args:
        name: the playbook's name, without folder and ending.
        extra_vars: what Ansible gets as `-e`. No secrets: they come from the environment or the profile chain.
        log_path: where Ansible's own output is appended.
        on_event: called in the caller's thread for every step.
        check: change nothing, and say what would be changed.
        limit: a pattern of hosts.
        run_id: the mark of the run's processes; by default a new one.
        project: another folder with playbooks, for tests.

    Raises:
        Interrupted: Ctrl-C; every process of the run has been ended.
        RunError: Ansible could not be started.
    """
    run = run_id or uuid.uuid4().hex
    with tempfile.TemporaryDirectory(prefix="dstk-") as private, log_path.open("a", encoding="utf-8") as log:
        recorder = Recorder(log)
        config = _configure(
            Path(private), project or find_project(), name, extra_vars=extra_vars, check=check, limit=limit, run=run
        )
        with guard(run):
            rc = _drive(config, recorder, on_event, run)
    failures = recorder.find_failures(rc=rc)
    if rc == 0 and not recorder.hosts:
        failures = (
            Failure(
                stage=name,
                message="no host matched, so nothing was done",
                fix="`dstk start` starts what is stopped, `dstk up` makes what is missing",
            ),
        )
    return PlaybookResult(
        rc=rc,
        stats=recorder.stats,
        failures=failures,
        changes=tuple(recorder.changes),
        unmatched=tuple(recorder.unmatched),
        hosts=frozenset(recorder.hosts),
    )


def _configure(
    private: Path, project: Path, name: str, *, extra_vars: Mapping[str, Any], check: bool, limit: str | None, run: str
) -> RunnerConfig:
    # a file of ours: a roster may be longer than one argument of a command can be
    variables = private / "extra_vars.json"
    variables.touch(mode=0o600)
    variables.write_text(json.dumps(dict(extra_vars)), encoding="utf-8")
    options = ["--extra-vars", f"@{variables}", *(["--check", "--diff"] if check else [])]
    config = RunnerConfig(
        private_data_dir=str(private),
        project_dir=str(project),
        playbook=f"playbooks/{name}.yml",
        cmdline=shlex.join(options),
        limit=limit,
        quiet=True,
        fact_cache_type="memory",
        settings={"pexpect_timeout": 1, "suppress_output_file": True},
    )
    config.prepare()
    config.env = _build_environment(config.env, project, run) | _shorten_sockets(private)
    return config


def _build_environment(prepared: Mapping[str, str], project: Path, run: str) -> dict[str, str]:
    """Return ansible-runner's environment, without what the user's own shell says about other projects."""
    ours = {key: value for key, value in prepared.items() if key not in _OTHERS}
    locale = next(
        (os.environ[key] for key in ("LC_ALL", "LANG") if "utf" in os.environ.get(key, "").lower()), "C.UTF-8"
    )
    return ours | {
        # a virtual environment that is not activated is not on the PATH
        "PATH": os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath))),
        "ANSIBLE_CONFIG": str(project / "ansible.cfg"),
        # ansible-runner would turn it off
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        # an inventory that AWS refused would pass for an empty one
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "LC_ALL": locale,
        "LANG": locale,
        MARK: run,
    }


def _shorten_sockets(private: Path) -> dict[str, str]:
    """Return what moves the control sockets of SSH where those in the user's home would have too long a path.

    A socket's path ends at 104 bytes (the least among the systems that dstk runs on). Ansible names a socket with 10
    characters, and ssh makes it under a name that has 17 more.
    """
    usual = Path.home() / ".ansible" / "cp"
    fits = len(os.fsencode(usual)) + 1 + 10 + 17 < 104
    return {} if fits else {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(private / "cp")}


def _drive(config: RunnerConfig, recorder: Recorder, on_event: OnEvent | None, run: str) -> int:
    """Run Ansible in a thread, and hand its events to the caller in the caller's own."""
    events: queue.Queue[Event | None] = queue.Queue()
    stop = threading.Event()
    outcome: dict[str, Any] = {}

    def handle(raw: dict[str, Any]) -> bool:
        for event in recorder.record(raw):
            events.put(event)
        # the event is ours now: ansible-runner need not write it to the disk
        return False

    def notice(status: Mapping[str, Any], **_: object) -> None:
        # `command` holds the whole environment, AWS's secrets among it, and nobody reads it
        if status["status"] == "running":
            (Path(config.artifact_dir) / "command").unlink(missing_ok=True)

    def work() -> None:
        try:
            runner = Runner(config, event_handler=handle, status_handler=notice, cancel_callback=stop.is_set)
            outcome["rc"] = runner.run()[1]
        except (Exception, SystemExit) as error:
            outcome["error"] = error
        finally:
            events.put(None)

    thread = threading.Thread(target=work, name="ansible", daemon=True)
    thread.start()
    ended = False
    try:
        while (event := events.get()) is not None:
            if on_event:
                on_event(event)
        ended = True
    except KeyboardInterrupt:
        raise Interrupted("interrupted: what was begun stays as it is", "run the same command again") from None
    finally:
        if not ended:
            stop.set()
            _end_early(run)
        thread.join(timeout=10)
    if "error" in outcome:
        raise RunError(f"Ansible could not be run: {outcome['error']}", "`dstk doctor` checks what it needs")
    return int(outcome["rc"])


def _end_early(run: str) -> None:
    """End every process of the run; who presses Ctrl-C twice does not want to wait for it."""
    try:
        end_processes(run, grace=3)
    except KeyboardInterrupt:
        end_processes(run, grace=0)
