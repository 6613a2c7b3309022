"""Download of adapters."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import quote

import httpx

from . import _jobs
from ._actions import Blocking, Call, Chunk, Steps
from ._retry import Attempts, Policy, lost
from .errors import ChecksumError, CogflowError, InvalidResponseError, JobError


def of_job(policy: Policy, job_id: str, to: Path, replace: bool) -> Steps[Path]:
    """Wait for a training run, and download its adapter."""
    result = yield from _jobs.result(policy, job_id, None)
    if not result.get("adapter") or not result.get("version"):
        raise JobError(
            f"the job {job_id} published no adapter (status {result.get('status')!r})",
            job_id=job_id,
            status="completed",
            error_class="input",
        )
    return (yield from download(policy, result["adapter"], result["version"], to, replace))


def download(policy: Policy, name: str, version: int, to: Path, replace: bool) -> Steps[Path]:
    """Download all files of an adapter. The directory appears when it is complete."""
    at = f"/adapters/{quote(name, safe='')}/{version}"
    listed = _jobs.typed((yield from policy.send(Call("GET", at))), "files")
    files = [(local(one["name"]), one) for one in listed["files"]]
    part: Path = yield Blocking(_doing(_beside, to, replace))
    try:
        for path, one in files:
            yield from _fetch(policy, at, path, one, part)
        yield Blocking(_doing(_appear, part, to, replace))
    finally:
        # A generator that is closed may not yield. After the rename there is nothing to remove.
        shutil.rmtree(part, ignore_errors=True)
    return to


def local(name: str) -> PurePosixPath:
    """The path of a file below the directory of an adapter."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or ":" in name:
        raise InvalidResponseError(
            f"the adapter lists a file outside of its directory: {name!r}; nothing was kept",
            error_class="input",
        )
    return path


def _beside(to: Path, replace: bool) -> Path:
    """A new directory beside another one, so that the rename stays on one file system."""
    if not replace and to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise FileExistsError(f"{to} exists and is never overwritten; choose a new directory")
    to.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    part.chmod(0o755)  # model servers that other users run read it
    return part


def _appear(part: Path, to: Path, replace: bool) -> None:
    """Rename the complete directory, after the one that it replaces is out of the way."""
    if not replace or not to.exists():
        part.rename(to)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    to.rename(old / to.name)
    part.rename(to)
    shutil.rmtree(old, ignore_errors=True)


def _fetch(policy: Policy, at: str, path: PurePosixPath, one: Any, part: Path) -> Steps[None]:
    """Download a file, from its beginning after each failure, and check it."""
    call = Call("GET", f"{at}/files/{quote(path.as_posix())}")
    attempts = Attempts(policy)
    while True:
        file: IO[bytes] = yield Blocking(_doing(_create, part / path))
        try:
            problem: CogflowError = yield from _copy(policy, call, file, one)
        finally:
            file.close()
        if problem is None:
            return
        yield from attempts.failed(problem, None)


def _copy(policy: Policy, call: Call, file: IO[bytes], one: Any) -> Steps[Any]:
    """Copy an answer into a file; returns what went wrong, if a new attempt could help."""
    reply = yield from policy.send(call, stream=True)
    total, size = hashlib.sha256(), 0
    while True:
        try:
            chunk: bytes = yield Chunk()
        except httpx.TransportError as e:
            return lost(call, e)
        if not chunk:
            break
        total.update(chunk)
        size += len(chunk)
        if size > one["size"]:
            break
        yield Blocking(_doing(file.write, chunk))
    if size != one["size"] or total.hexdigest() != one["sha256"]:
        return ChecksumError(
            f"{call.path}: the content differs from the manifest; nothing was kept",
            error_class="transport",
            request_id=reply.headers.get("x-request-id", ""),
        )
    return None


def _create(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _doing(do: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    return lambda: do(*args)
