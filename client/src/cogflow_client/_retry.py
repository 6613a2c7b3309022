"""Which requests are sent again, and when."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx

from ._actions import Call, Open, Reply, Sleep, Steps
from .errors import CogflowError, ConnectionFailedError, from_response, retry_after

# Statuses after which time helps. 500 is a bug: the same request fails again.
_TEMPORARY = frozenset({408, 425, 429, 502, 503, 504})

# The request did not leave this host, so it may be sent again whatever it does.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_FIRST, _LONGEST = 0.25, 10.0  # seconds


@dataclass(frozen=True)
class Policy:
    """For how long a client sends requests again. now and jitter are replaced by tests."""

    seconds: float = 60.0
    now: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def patient(self) -> Policy:
        """The policy of one who waits for a job: an outage of minutes is short beside it."""
        return replace(self, seconds=10 * self.seconds)

    def send(self, call: Call, *, stream: bool = False) -> Steps[Reply]:
        """Send a request until it succeeds, cannot succeed, or the time is up.

        A request that might have been carried out is sent again only if that is safe.
        """
        attempts = Attempts(self)
        while True:
            try:
                reply: Reply = yield Open(call) if stream else call
            except httpx.TransportError as e:
                again = call.repeatable or isinstance(e, _NOT_SENT)
                yield from attempts.failed(lost(call, e), None, again)
                continue
            if 200 <= reply.status < 300:
                return reply
            error = from_response(reply.status, reply.headers, reply.content)
            again = (
                call.repeatable
                and reply.status in _TEMPORARY
                and reply.headers.get("x-should-retry") != "false"
            )
            yield from attempts.failed(error, retry_after(reply.headers), again)


class Attempts:
    """The failures of one operation since its last success."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.succeeded()

    def succeeded(self) -> None:
        self.count = 0
        self.began: float | None = None

    def failed(self, error: CogflowError, wait: float | None, again: bool = True) -> Steps[None]:
        """Wait before the next attempt, or raise the error if there is none.

        The time counts from the first failure, because an attempt itself can take long.
        """
        now = self.policy.now()
        if self.began is None:
            self.began = now
        if wait is None:
            # Between half the step and the whole one, so that clients do not return at once.
            step = min(_FIRST * 2.0 ** min(self.count, 16), _LONGEST)
            wait = step * (1 + self.policy.jitter()) / 2
        self.count += 1
        if not again or now + wait > self.began + self.policy.seconds:
            raise error
        yield Sleep(wait)


def lost(call: Call, cause: httpx.TransportError) -> ConnectionFailedError:
    """The error of a broken connection."""
    error = ConnectionFailedError(
        f"{call.method} {call.path}: {type(cause).__name__}: {cause or 'no answer in time'}; "
        "check that cogflow-gateway runs at this URL",
        error_class="transport",
    )
    error.__cause__ = cause
    return error
