"""dstk: from nothing to running, secured Jupyter notebooks on AWS EC2, and back to nothing.

    import dstk_runner
    deployment = dstk_runner.deploy("dstk.yml", on_event=print)

`__all__` is the whole of the library.
"""

from __future__ import annotations

from dstk_runner._version import __version__
from dstk_runner.api import deploy, destroy, doctor, plan, rotate, start, status, stop
from dstk_runner.baking import bake
from dstk_runner.changes import resize, upgrade
from dstk_runner.classroom import collect, export, pull, recover, run, send, takehome
from dstk_runner.classwork import Classwork
from dstk_runner.config import Config, load_config
from dstk_runner.costs import Cost, cost
from dstk_runner.errors import ConfigError, DstkError, Interrupted, Mistake
from dstk_runner.events import Event
from dstk_runner.handouts import Handouts, write_handouts, write_overview
from dstk_runner.keeping import backup, find_backups, restore
from dstk_runner.lease import Extension, extend
from dstk_runner.results import Check, Deployment, Failure, Notebook, Plan, Receipt, Resource, Tls
from dstk_runner.spending import Actual, actual_cost

__all__ = [
    "Actual",
    "Check",
    "Classwork",
    "Config",
    "ConfigError",
    "Cost",
    "Deployment",
    "DstkError",
    "Event",
    "Extension",
    "Failure",
    "Handouts",
    "Interrupted",
    "Mistake",
    "Notebook",
    "Plan",
    "Receipt",
    "Resource",
    "Tls",
    "__version__",
    "actual_cost",
    "backup",
    "bake",
    "collect",
    "cost",
    "deploy",
    "destroy",
    "doctor",
    "export",
    "extend",
    "find_backups",
    "load_config",
    "plan",
    "pull",
    "recover",
    "resize",
    "restore",
    "rotate",
    "run",
    "send",
    "start",
    "status",
    "stop",
    "takehome",
    "upgrade",
    "write_handouts",
    "write_overview",
]
