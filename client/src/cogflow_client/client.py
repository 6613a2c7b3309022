"""The client for programs without an event loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import httpx

from . import _adapters, _jobs, _uploads
from ._base import Base, options
from ._drivers import SyncDriver
from .job import Job
from .starts import Starts
from .status import JobStatus, State, Uploaded


class Client(Base, Starts):
    """Talks to cogflow-gateway. It can be shared by threads.

    url and api_key default to COGFLOW_URL and COGFLOW_API_KEY. retry_seconds is for how long a
    request that can be sent again is, while the gateway cannot be reached or is overloaded.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | None = None,
        retry_seconds: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        verify: Any = True,
    ) -> None:
        super().__init__(retry_seconds)
        http = httpx.Client(transport=transport, verify=verify, **options(url, api_key, timeout))
        self._driver = SyncDriver(http)

    def close(self) -> None:
        """Close the connections."""
        self._driver.http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, kind: str, job: Any, *, idempotency_key: str | None = None) -> Job[Any]:
        """Start a job of a workflow type, such as "TrainSFT", or attach to it.

        The same input is the same job: while it runs, the call attaches to it, also from another
        process. Afterwards the call starts it again, and it repeats no work. With an
        idempotency_key, all calls with this key are one job, even after its end.
        """
        steps = _jobs.start(self._policy, kind, job, idempotency_key)
        started = self._driver.run(steps)
        return Job(self._driver, self._policy, started["id"], started)

    def _ask(self, kind: str, job: Any, key: str | None) -> Any:
        return self._driver.run(_jobs.ask(self._policy, kind, job, key))

    search = Starts.search_videos

    def job(self, job_id: str) -> Job[Any]:
        """The job with an id. It is not looked up before it is used."""
        return Job(self._driver, self._policy, job_id)

    def jobs(
        self, *, type: str | None = None, state: State | None = None, limit: int | None = None
    ) -> Iterator[JobStatus]:
        """The jobs of the tenant, running ones first."""
        return self._driver.iterate(_jobs.listed(self._policy, type, state, limit))

    def upload(
        self,
        content: str | Path | bytes | IO[bytes],
        *,
        name: str = "",
        resume: str | Path | None = None,
    ) -> Uploaded:
        """Upload a video or a dataset: a path, bytes, or a file that can seek.

        After a broken connection it goes on with the bytes that are missing. With resume, a file
        that this call writes and removes, another process can do so, too. A second upload of the
        same content sends nothing.
        """
        return self._driver.run(
            _uploads.upload(self._policy, content, name, Path(resume) if resume else None)
        )

    def download_adapter(
        self, name: str, version: int, to: str | Path, *, replace: bool = False
    ) -> Path:
        """Download the files of an adapter into the directory to, and check their SHA-256.

        An existing directory is an error, or replaced.
        """
        return self._driver.run(_adapters.download(self._policy, name, version, Path(to), replace))
