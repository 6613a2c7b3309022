"""Handles of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from . import _adapters, _jobs
from ._base import tuning
from ._drivers import AsyncDriver, SyncDriver
from ._retry import Policy
from .status import JobStatus, Started

R = TypeVar("R")


class Job(Generic[R]):
    """A job of the tenant. started is the answer to its start; None: the job was looked up."""

    def __init__(
        self, driver: SyncDriver, policy: Policy, job_id: str, started: Started | None = None
    ) -> None:
        self.id = job_id
        self.started = started
        self._driver = driver
        self._policy = policy

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    @property
    def attached(self) -> bool:
        """True if the job existed already when it was started here."""
        return bool(self.started and self.started["attached"])

    def status(self) -> JobStatus:
        """Its state, stage, progress, cost and error."""
        return self._driver.run(_jobs.status(self._policy, self.id))

    def events(
        self, *, after: int | None = None, timeout: float | None = None
    ) -> Iterator[JobStatus]:
        """Each new state until the job has ended, the present one first.

        after is the field event of the last state that the caller knows. The iterator survives
        restarts of the gateway; states in between may be missed then, the end never.
        """
        return self._driver.iterate(_jobs.events(self._policy, self.id, after, timeout))

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait until the job has ended, however it ended. Raises WaitTimeoutError."""
        for now in self.events(timeout=timeout):
            last = now
        return last  # the last event is the end

    def result(self, timeout: float | None = None) -> R:
        """Wait for the result. Raises JobFailedError, JobCanceledError or WaitTimeoutError."""
        return self._driver.run(_jobs.result(self._policy, self.id, timeout))  # type: ignore[no-any-return]

    def report(self) -> bytes:
        """The HTML report of a completed job."""
        return self._driver.run(_jobs.report(self._policy, self.id))

    def cancel(self) -> None:
        """Cancel the job and everything that it started."""
        self._act("cancel")

    def pause(self) -> None:
        """Pause the job."""
        self._act("pause")

    def resume(self) -> None:
        """Resume the paused job."""
        self._act("resume")

    def stop(self) -> None:
        """End training or optimization early, and keep the best so far.

        A second stop means more than the first one, so the client never sends it again by itself.
        """
        self._act("stop", again=False)

    def tune(
        self,
        *,
        budget_usd: float | None = None,
        concurrency: int | None = None,
        approve: bool | None = None,
    ) -> None:
        """Change a running job: its budget in USD, the videos at a time, or its approval."""
        self._act("tune", tuning(budget_usd, concurrency, approve))

    def download(self, to: str | Path, *, replace: bool = False) -> Path:
        """Wait for a training run, and download its adapter into the directory to.

        An existing directory is an error, or replaced.
        """
        return self._driver.run(_adapters.of_job(self._policy, self.id, Path(to), replace))

    def _act(self, action: str, body: Any = None, *, again: bool = True) -> None:
        self._driver.run(_jobs.act(self._policy, self.id, action, body, again))


class AsyncJob(Generic[R]):
    """As Job, for an event loop."""

    def __init__(
        self, driver: AsyncDriver, policy: Policy, job_id: str, started: Started | None = None
    ) -> None:
        self.id = job_id
        self.started = started
        self._driver = driver
        self._policy = policy

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    @property
    def attached(self) -> bool:
        """True if the job existed already when it was started here."""
        return bool(self.started and self.started["attached"])

    async def status(self) -> JobStatus:
        """Its state, stage, progress, cost and error."""
        return await self._driver.run(_jobs.status(self._policy, self.id))

    def events(
        self, *, after: int | None = None, timeout: float | None = None
    ) -> AsyncIterator[JobStatus]:
        """Each new state until the job has ended, the present one first.

        after is the field event of the last state that the caller knows. The iterator survives
        restarts of the gateway; states in between may be missed then, the end never.
        """
        return self._driver.iterate(_jobs.events(self._policy, self.id, after, timeout))

    async def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait until the job has ended, however it ended. Raises WaitTimeoutError."""
        async for now in self.events(timeout=timeout):
            last = now
        return last  # the last event is the end

    async def result(self, timeout: float | None = None) -> R:
        """Wait for the result. Raises JobFailedError, JobCanceledError or WaitTimeoutError."""
        return await self._driver.run(_jobs.result(self._policy, self.id, timeout))

    async def report(self) -> bytes:
        """The HTML report of a completed job."""
        return await self._driver.run(_jobs.report(self._policy, self.id))

    async def cancel(self) -> None:
        """Cancel the job and everything that it started."""
        await self._act("cancel")

    async def pause(self) -> None:
        """Pause the job."""
        await self._act("pause")

    async def resume(self) -> None:
        """Resume the paused job."""
        await self._act("resume")

    async def stop(self) -> None:
        """End training or optimization early, and keep the best so far.

        A second stop means more than the first one, so the client never sends it again by itself.
        """
        await self._act("stop", again=False)

    async def tune(
        self,
        *,
        budget_usd: float | None = None,
        concurrency: int | None = None,
        approve: bool | None = None,
    ) -> None:
        """Change a running job: its budget in USD, the videos at a time, or its approval."""
        await self._act("tune", tuning(budget_usd, concurrency, approve))

    async def download(self, to: str | Path, *, replace: bool = False) -> Path:
        """Wait for a training run, and download its adapter into the directory to.

        An existing directory is an error, or replaced.
        """
        return await self._driver.run(_adapters.of_job(self._policy, self.id, Path(to), replace))

    async def _act(self, action: str, body: Any = None, *, again: bool = True) -> None:
        await self._driver.run(_jobs.act(self._policy, self.id, action, body, again))
