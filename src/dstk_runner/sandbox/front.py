"""The front before moto: it refuses what AWS would refuse, loses replies on demand, and counts."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from moto.ec2.exceptions import EC2ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from dstk_runner.sandbox import admission, bill, budget_actions, lifecycle_policies, price_list, quotas
from dstk_runner.sandbox.buckets import Buckets
from dstk_runner.sandbox.client_tokens import ClientTokens
from dstk_runner.sandbox.ec2 import REGIONS, find_backend, working_on
from dstk_runner.sandbox.faults import Faults, find_refusal
from dstk_runner.sandbox.launches import find_zone
from dstk_runner.sandbox.operations import find_permissions
from dstk_runner.sandbox.policies import check_permission
from dstk_runner.sandbox.wire import Call, Refusal, parse_call, refusal_response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)


class Calls:
    """How often each action was called; safe to use from threads."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._permissions: dict[str, set[str]] = {}

    def add(self, call: Call) -> None:
        """Count one call."""
        with self._lock:
            self._counts[call.action] += 1
            permissions = self._permissions.setdefault(call.access_key_id or "", set())
            permissions.update(find_permissions(call.service, call.action))

    def find_counts(self) -> dict[str, int]:
        """Return the number of calls by action."""
        with self._lock:
            return dict(self._counts)

    def find_permissions(self) -> dict[str, list[str]]:
        """Return what IAM must allow for the calls of each access key, such as `ec2:RunInstances`."""
        with self._lock:
            return {key: sorted(permissions) for key, permissions in self._permissions.items()}

    def clear(self) -> None:
        """Begin at nothing again."""
        with self._lock:
            self._counts.clear()
            self._permissions.clear()


class Front:
    """The WSGI application of AWS's services: checks of its own, then moto, one call at a time."""

    def __init__(self, own_keys: Mapping[str, str]) -> None:
        """Take the access keys, with their secrets, that are admitted without IAM's knowing them."""
        self._own_keys = own_keys
        #: Held while moto works: what is checked then is still true when it is done. The reconciler takes it too.
        self.lock = threading.RLock()
        self.faults = Faults()
        #: Seconds that pass before any call is answered, as they do on the way to a region and back.
        self.delay = 0.0
        self.calls = Calls()
        self._buckets = Buckets()
        self._tokens = ClientTokens()
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one call."""
        call = parse_call(environ)
        try:
            response = self._answer(call, environ)
        except Refusal as refusal:
            log.info("%s in %s refused: %s", call.action, call.region, refusal.code)
            response = refusal_response(call, refusal)
        except admission.UnknownRegionError as error:
            log.info("%s: there is no region %s", call.action, error)
            raise _hang_up(environ) from None
        return response(environ, start_response)

    def _answer(self, call: Call, environ: WSGIEnvironment) -> Response:
        self.calls.add(call)
        time.sleep(self.delay)
        admission.check_region(call)
        zone = self._find_zone(call)
        fault = self.faults.take(call, zone)
        if fault and (refusal := find_refusal(fault, call, zone)):
            raise refusal
        admission.check_credentials(call, environ, self._own_keys)
        if call.access_key_id not in self._own_keys:
            check_permission(call, environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
        if call.service == "ec2":
            self._buckets.check(call)
            admission.check_filters(call)
            admission.check_dry_run(call)
        response = self._work(call, environ)
        if fault:
            log.info("%s in %s was done and its reply lost", call.action, call.region)
            raise _hang_up(environ)
        return response

    def _work(self, call: Call, environ: WSGIEnvironment) -> Response:
        if call.service == "servicequotas":
            answer = json.dumps(quotas.answer_quotas(call))
            return Response(answer, content_type="application/x-amz-json-1.1")
        with self.lock, working_on(call):
            earlier = self._tokens.find_answer(call)
            # moto is asked again about instances, so that they are told of in their present state
            if earlier is not None and call.action != "RunInstances":
                return earlier
            admission.check_attachments(call)
            answered = budget_actions.find_answer(call)
            if answered is None:
                answered = bill.find_answer(call)
            if answered is None:
                answered = price_list.find_answer(call)
            if answered is None:
                answered = lifecycle_policies.find_answer(call, environ)
            if answered is not None:
                return Response(json.dumps(answered), content_type="application/x-amz-json-1.1")
            try:
                response = Response.from_app(self._moto, environ, buffered=True)
            except Exception as error:  # what moto stumbles over is answered in a form that clients can read
                log.exception("moto failed at %s", call.action)
                raise Refusal("InternalError", f"An internal error has occurred: {error!r}", status=500) from error
            self._tokens.keep_answer(call, response)
        return response

    def _find_zone(self, call: Call) -> str | None:
        if call.action != "RunInstances" or call.region not in REGIONS:
            return None
        with self.lock:
            try:
                return find_zone(find_backend(call.region), call.params)
            except EC2ClientError:
                return None


def _hang_up(environ: WSGIEnvironment) -> ConnectionResetError:
    """Close the caller's connection without a word, and return what tells the server that it is closed."""
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)
    return ConnectionResetError("hung up on the caller")
