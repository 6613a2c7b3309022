"""Drivers run operations: one with httpx.Client, one with httpx.AsyncClient."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.to_thread
import httpx

from ._actions import Call, Chunk, Emit, Open, Reply, Sleep, Steps, T


def _request(http: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    timeout: Any = httpx.USE_CLIENT_DEFAULT
    if call.timeout is not None:
        own = http.timeout
        timeout = httpx.Timeout(
            connect=own.connect, read=call.timeout, write=own.write, pool=own.pool
        )
    return http.build_request(
        call.method,
        call.path,
        params=dict(call.params) or None,
        json=call.json,
        content=call.content,
        headers=dict(call.headers),
        timeout=timeout,
    )


def _reply(response: httpx.Response, content: bytes) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, content)


class SyncDriver:
    """Runs operations in the thread of the caller."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def run(self, steps: Steps[T]) -> T:
        """The result of an operation."""
        out: list[T] = []
        for _ in self.iterate(steps, out):
            pass
        return out[0]

    def iterate(self, steps: Steps[T], result: list[T] | None = None) -> Iterator[Any]:
        """The items that an operation emits."""
        response: httpx.Response | None = None
        chunks: Iterator[bytes] = iter(())
        reply: Any = None
        failure: BaseException | None = None
        try:
            while True:
                try:
                    action = steps.send(reply) if failure is None else steps.throw(failure)
                except StopIteration as end:
                    if result is not None:
                        result.append(end.value)
                    return
                reply, failure = None, None
                try:
                    if isinstance(action, Emit):
                        yield action.item
                    elif isinstance(action, Call):
                        got = self.http.send(_request(self.http, action))
                        reply = _reply(got, got.content)
                    elif isinstance(action, Open):
                        if response is not None:
                            response.close()
                        response = self.http.send(_request(self.http, action.call), stream=True)
                        content = b"" if response.is_success else response.read()
                        reply, chunks = _reply(response, content), response.iter_bytes()
                    elif isinstance(action, Chunk):
                        reply = next(chunks, b"")
                    elif isinstance(action, Sleep):
                        self.sleep(action.seconds)
                    else:
                        reply = action.do()
                except GeneratorExit:
                    raise
                except Exception as e:
                    failure = e
        finally:
            steps.close()
            if response is not None:
                response.close()


class AsyncDriver:
    """Runs operations in an event loop, that of asyncio or of trio."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def run(self, steps: Steps[T]) -> T:
        """The result of an operation."""
        out: list[T] = []
        async for _ in self.iterate(steps, out):
            pass
        return out[0]

    async def iterate(self, steps: Steps[T], result: list[T] | None = None) -> AsyncIterator[Any]:
        """The items that an operation emits."""
        response: httpx.Response | None = None
        chunks: AsyncIterator[bytes] | None = None
        reply: Any = None
        failure: BaseException | None = None
        try:
            while True:
                try:
                    action = steps.send(reply) if failure is None else steps.throw(failure)
                except StopIteration as end:
                    if result is not None:
                        result.append(end.value)
                    return
                reply, failure = None, None
                try:
                    if isinstance(action, Emit):
                        yield action.item
                    elif isinstance(action, Call):
                        got = await self.http.send(_request(self.http, action))
                        reply = _reply(got, got.content)
                    elif isinstance(action, Open):
                        if response is not None:
                            await response.aclose()
                        response = await self.http.send(
                            _request(self.http, action.call), stream=True
                        )
                        content = b"" if response.is_success else await response.aread()
                        reply, chunks = _reply(response, content), response.aiter_bytes()
                    elif isinstance(action, Chunk):
                        reply = await anext(chunks, b"") if chunks is not None else b""
                    elif isinstance(action, Sleep):
                        await self.sleep(action.seconds)
                    else:
                        reply = await anyio.to_thread.run_sync(action.do)
                except GeneratorExit:
                    raise
                except Exception as e:
                    failure = e
        finally:
            steps.close()
            if response is not None:
                await response.aclose()
