"""The sandbox's own addresses beside AWS's: /_dstk/status, faults, delay, clock, interrupt and others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from dstk_runner.sandbox import quotas
from dstk_runner.sandbox.bill import Bill
from dstk_runner.sandbox.clockwork import Clockwork
from dstk_runner.sandbox.ec2 import find_instances
from dstk_runner.sandbox.faults import parse_fault
from dstk_runner.sandbox.front import Front
from dstk_runner.sandbox.market import NOTICE_SECONDS, Market
from dstk_runner.sandbox.state import SandboxState
from dstk_runner.sandbox.wire import Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/_dstk/"


def control(front: Front, state: SandboxState, clockwork: Clockwork, market: Market) -> WSGIApplication:
    """Return the application that answers the sandbox's own addresses itself and leaves the others to the front."""
    bill = Bill(front.lock, state)
    handlers: dict[tuple[str, str], Callable[[Request], Response]] = {
        ("GET", "status"): lambda _: _as_json(_describe(front, state)),
        ("GET", "address"): lambda request: Response(f"{request.remote_addr}\n", content_type="text/plain"),
        ("GET", "calls"): lambda _: _as_json(front.calls.find_counts()),
        ("GET", "permissions"): lambda _: _as_json(front.calls.find_permissions()),
        ("DELETE", "calls"): lambda _: _done(front.calls.clear),
        ("GET", "faults"): lambda _: _as_json([asdict(fault) for fault in front.faults.find_waiting()]),
        ("POST", "faults"): lambda request: _add_fault(front, request),
        ("DELETE", "faults"): lambda _: _done(front.faults.clear),
        ("GET", "delay"): lambda _: _as_json({"seconds": front.delay}),
        ("POST", "delay"): lambda request: _ensure_delay(front, request),
        ("POST", "clock"): lambda request: _as_json(clockwork.turn_to(json.loads(request.get_data())["now"])),
        ("POST", "spent"): lambda request: _ensure_spent(bill, request),
        ("GET", "notifications"): lambda _: _as_json(bill.find_notices()),
        ("GET", "quotas"): lambda _: _as_json({quota.code: quotas.find_quota(quota.code) for quota in quotas.QUOTAS}),
        ("POST", "quotas"): _ensure_quotas,
        ("POST", "interrupt"): lambda request: _interrupt(market, request),
        ("POST", "capacity"): lambda _: _as_json(market.return_capacity()),
    }

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(PREFIX):
            return front(environ, start_response)
        request = Request(environ)
        handler = handlers.get((request.method, request.path.removeprefix(PREFIX).rstrip("/")))
        if not (request.remote_addr or "").startswith("127."):
            response = _as_json({"error": "only this machine may ask"}, status=403)
        elif handler is None:
            response = _as_json({"error": f"there is no {request.method} {request.path}"}, status=404)
        else:
            try:
                response = handler(request)
            except (ValueError, TypeError, AttributeError, KeyError, Refusal) as error:
                response = _as_json({"error": str(error)}, status=400)
        return response(environ, start_response)

    return application


def _describe(front: Front, state: SandboxState) -> dict[str, Any]:
    with front.lock:
        instances = {
            instance.id: {"region": backend.region_name, "state": instance.state, "address": instance.public_ip}
            for backend, instance in find_instances()
        }
    return {"pid": state.pid, "port": state.port, "mode": state.mode, "started": state.started, "instances": instances}


def _add_fault(front: Front, request: Request) -> Response:
    front.faults.add(parse_fault(json.loads(request.get_data())))
    return _as_json({}, status=201)


def _ensure_delay(front: Front, request: Request) -> Response:
    seconds = float(json.loads(request.get_data())["seconds"])
    if not 0 <= seconds <= 60:
        raise ValueError(f"a delay is 0 to 60 seconds, not {seconds}")
    front.delay = seconds
    return _as_json({})


def _ensure_spent(bill: Bill, request: Request) -> Response:
    told = json.loads(request.get_data())
    return _as_json(bill.ensure_spent(str(told["budget"]), float(told["usd"])))


def _ensure_quotas(request: Request) -> Response:
    for code, value in json.loads(request.get_data()).items():
        quotas.ensure_quota(code, float(value))
    return _as_json({})


def _interrupt(market: Market, request: Request) -> Response:
    asked = json.loads(request.get_data())
    return _as_json(market.interrupt(asked["instance_id"], float(asked.get("seconds", NOTICE_SECONDS))))


def _done(act: Callable[[], None]) -> Response:
    act()
    return _as_json({})


def _as_json(value: object, *, status: int = 200) -> Response:
    return Response(json.dumps(value, indent=2) + "\n", status, content_type="application/json")
