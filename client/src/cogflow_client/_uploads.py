"""Uploads: in pieces that go on where a connection broke, checked by their SHA-256."""

from __future__ import annotations

import hashlib
import io
import json
import os
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import httpx

from ._actions import Blocking, Call, Reply, Steps
from ._jobs import typed
from ._retry import Attempts, Policy
from .errors import (
    APIError,
    ChecksumError,
    CogflowError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from .status import Uploaded

# The gateway stores pieces of this size as they are.
PIECE = 16 << 20

Content = str | Path | bytes | IO[bytes]


def upload(policy: Policy, content: Content, name: str, resume: Path | None) -> Steps[Uploaded]:
    """Upload a file, or find that it is stored already."""
    file, ours, name = yield Blocking(lambda: _opened(content, name))
    try:
        size, digest = yield Blocking(lambda: _measured(file))
        declared = {"name": name, "size": size, "sha256": digest}
        known = yield Blocking(lambda: _remembered(resume, digest))
        attempts = Attempts(policy)
        state: Any = None
        while True:
            try:
                if state is None:
                    state = yield from _begun(policy, declared, known)
                    yield Blocking(partial(_remember, resume, digest, state))
                if state["complete"]:
                    break
                state = yield from _piece(policy, file, state)
                attempts.succeeded()
            except _Again as e:
                yield from attempts.failed(e.cause, None)
                # The gateway knows how much has arrived; a complete upload is begun again, and
                # found to be stored.
                known, state = (state or {}).get("id") or known, None
        yield Blocking(lambda: _forget(resume))
        return Uploaded(uri=state["uri"], sha256=digest, size=size)
    finally:
        if ours:
            file.close()


class _Again(Exception):
    """A piece did not arrive as a whole."""

    def __init__(self, cause: CogflowError) -> None:
        super().__init__(cause)
        self.cause = cause


def _begun(policy: Policy, declared: dict[str, Any], known: str | None) -> Steps[Any]:
    """The state of a known upload, or of a new one."""
    if known:
        try:
            reply = yield from policy.send(Call("GET", "/uploads/" + quote(known, safe="")))
            return typed(reply, "id", "offset", "complete")
        except NotFoundError:
            pass  # it is complete, or has expired
    # Sent twice it leaves an upload without bytes, which expires.
    reply = yield from policy.send(Call("POST", "/uploads", json=declared, idempotent=True))
    return typed(reply, "offset", "complete")


def _piece(policy: Policy, file: IO[bytes], state: Any) -> Steps[Any]:
    """Send the next piece; the result is the state of the upload."""
    content = yield Blocking(lambda: _read(file, state["offset"]))
    call = Call(
        "PATCH",
        "/uploads/" + quote(state["id"], safe=""),
        content=content,
        headers={
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(state["offset"]),
        },
        idempotent=False,  # what has arrived is asked for instead
    )
    try:
        reply: Reply = yield from policy.send(call)
    except CogflowError as e:
        if isinstance(e.__cause__, httpx.TransportError) or isinstance(
            e, ServerError | RateLimitError
        ):
            raise _Again(e) from e
        if isinstance(e, APIError) and e.code in ("wrong_offset", "upload_not_found"):
            raise _Again(e) from e
        if isinstance(e, APIError) and e.code == "checksum_mismatch":
            raise ChecksumError(
                "the file changed while it was uploaded; nothing was kept: upload it again",
                error_class="input",
                request_id=e.request_id,
            ) from e
        raise
    return typed(reply, "offset", "complete")


def _opened(content: Content, name: str) -> tuple[IO[bytes], bool, str]:
    """The open file, whether it is closed here, and its name."""
    if isinstance(content, str | Path):
        path = Path(content)
        return path.open("rb"), True, name or path.name
    if isinstance(content, bytes):
        content = io.BytesIO(content)
    own = getattr(content, "name", "")
    return content, False, name or (os.path.basename(own) if isinstance(own, str) else "") or "file"


def _measured(file: IO[bytes]) -> tuple[int, str]:
    total, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(1 << 20):
        total.update(chunk)
        size += len(chunk)
    return size, total.hexdigest()


def _read(file: IO[bytes], offset: int) -> bytes:
    file.seek(offset)
    return file.read(PIECE)


def _remembered(resume: Path | None, digest: str) -> str | None:
    """The id of an upload of the same content that was cut."""
    if resume is None or not resume.exists():
        return None
    text = resume.read_text()
    if not text:
        return None
    try:
        note = json.loads(text)
        same = note["sha256"] == digest
    except (ValueError, KeyError, TypeError) as e:
        raise ValueError(f"{resume} is not a note of an upload; name another file in resume") from e
    return str(note["id"]) if same else None


def _remember(resume: Path | None, digest: str, state: Any) -> None:
    """Write the note as a whole or not at all: this process may be killed."""
    if resume is not None and state.get("id"):
        part = resume.with_name(resume.name + ".part")
        part.write_text(json.dumps({"id": state["id"], "sha256": digest}))
        part.replace(resume)


def _forget(resume: Path | None) -> None:
    if resume is not None:
        resume.unlink(missing_ok=True)
