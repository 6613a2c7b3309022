"""Dynamic batching: one thread uses the model, and requests wait in a bounded queue."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from .fault import Fault


class Batcher:
    """Collects inputs for at most `wait` seconds into batches of at most `size`.

    embed takes inputs of one kind and returns one result for each. Inputs of one
    kind and similar size share a batch, so that little of it is padding.
    """

    def __init__(self, embed: Callable, size: int = 8, wait: float = 0.005, depth: int = 256):
        self._embed, self._size, self._wait = embed, size, wait
        self._queue: queue.Queue = queue.Queue(depth)
        threading.Thread(target=self._work, daemon=True).start()

    async def submit(self, kind: str, measure: int, item: object) -> object:
        """Wait for the result of one input; 503 when too many wait already."""
        future: Future = Future()
        try:
            self._queue.put_nowait((kind, measure, item, future))
        except queue.Full:
            raise Fault(503, "overloaded", "too many requests are waiting; try again", 1) from None
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            waiting = [self._queue.get()]
            deadline = time.monotonic() + self._wait
            while len(waiting) < self._size:
                try:
                    waiting.append(self._queue.get(timeout=max(0.0, deadline - time.monotonic())))
                except queue.Empty:
                    break
            groups: dict = {}
            for entry in waiting:  # within a factor of two in size
                groups.setdefault((entry[0], entry[1].bit_length()), []).append(entry)
            for (kind, _), entries in groups.items():
                self._run(kind, entries)

    def _run(self, kind: str, entries: list) -> None:
        entries = [e for e in entries if e[3].set_running_or_notify_cancel()]
        if not entries:
            return
        try:
            results = self._embed(kind, [e[2] for e in entries])
            for entry, result in zip(entries, results, strict=True):
                entry[3].set_result(result)
        except Exception as e:  # a failure of the model must not end the thread
            for entry in entries:
                if not entry[3].done():
                    entry[3].set_exception(e)
