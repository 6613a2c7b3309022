"""Every test of the client runs without and with an event loop."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from server import Server, serving

from cogflow_client import AsyncClient, Client
from cogflow_client._retry import Policy


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def async_sleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def policy(self, seconds: float) -> Policy:
        return Policy(seconds, now=lambda: self.now, jitter=lambda: 1.0)


class Blocking:
    """Lets tests use an AsyncClient and its jobs as if they were a Client."""

    def __init__(self, target: Any, portal: BlockingPortal) -> None:
        self._target, self._portal = target, portal

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value):
            return value

        async def call(*args: Any, **kwargs: Any) -> Any:
            out = value(*args, **kwargs)
            if inspect.isasyncgen(out):
                return [item async for item in out]
            return await out if inspect.isawaitable(out) else out

        def blocking(*args: Any, **kwargs: Any) -> Any:
            out = self._portal.call(lambda: call(*args, **kwargs))
            return Blocking(out, self._portal) if type(out).__name__ == "AsyncJob" else out

        return blocking


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as s:
        yield s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, server: Server, clock: Clock) -> Iterator[Any]:
    if request.param == "sync":
        with Client(server.url, "key-1") as c:
            c._policy = clock.policy(60)
            c._driver.sleep = clock.sleep  # type: ignore[method-assign]
            yield c
        return
    with start_blocking_portal() as portal:
        a = AsyncClient(server.url, "key-1")
        a._policy = clock.policy(60)
        a._driver.sleep = clock.async_sleep  # type: ignore[method-assign]
        yield Blocking(a, portal)
        portal.call(a.aclose)
