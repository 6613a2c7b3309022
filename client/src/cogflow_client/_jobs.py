"""Operations on jobs, without input or output; see _actions."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from ._actions import Call, Chunk, Emit, Reply, Steps
from ._retry import Attempts, Policy, lost
from ._sse import Parser
from .errors import (
    APIError,
    CogflowError,
    ConnectionFailedError,
    InvalidResponseError,
    JobCanceledError,
    JobFailedError,
    WaitTimeoutError,
    from_response,
)
from .status import JobStatus, Started

# How long one request waits for a change. Proxies cut requests that take longer.
POLL = 30.0
# A stream of events has a sign of life at least every 15 seconds.
SILENCE = 60.0


def path_of(job_id: str, *rest: str) -> str:
    """The path of a job. Its id can contain slashes."""
    return "/".join(("/jobs", quote(job_id, safe=""), *rest))


def kebab(kind: str) -> str:
    """TrainSFT is train-sft in paths."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", kind).lower()


def start(policy: Policy, kind: str, job: Mapping[str, Any], key: str | None) -> Steps[Started]:
    """Start a job, or attach to it.

    The id of a job is made of its input, so it is safe to send a start again: while the job runs,
    a second start attaches to it, and a finished job that is started again does no work.
    """
    headers = {"Idempotency-Key": key} if key else {}
    call = Call("POST", "/jobs/" + kebab(kind), json=dict(job), headers=headers, idempotent=True)
    started: Started = typed((yield from policy.send(call)), "id", "run_id", "state")
    return started


def ask(policy: Policy, kind: str, job: Mapping[str, Any], key: str | None) -> Steps[Any]:
    """Start a short run that answers a question, and wait for the answer.

    Each start of such a type is a run of its own. The key makes repeated requests one run.
    """
    started = yield from start(policy, kind, job, key or uuid.uuid4().hex)
    return (yield from result(policy, started["id"], None))


def status(policy: Policy, job_id: str) -> Steps[JobStatus]:
    reply = yield from policy.send(Call("GET", path_of(job_id)))
    now: JobStatus = typed(reply, "id", "state", "event")
    return now


def listed(policy: Policy, kind: str | None, state: str | None, limit: int | None) -> Steps[None]:
    """Emit the jobs of all pages."""
    params = {"limit": str(min(limit or 100, 100))}
    if kind:
        params["type"] = kind
    if state:
        params["state"] = state
    left = limit
    while True:
        reply = yield from policy.send(Call("GET", "/jobs", params=params))
        page = typed(reply, "jobs")
        for one in page["jobs"][:left]:
            yield Emit(one)
        left = None if left is None else left - len(page["jobs"])
        cursor = page.get("next_cursor")
        if not cursor or (left is not None and left <= 0):
            return
        params = {**params, "cursor": cursor}


def act(policy: Policy, job_id: str, action: str, body: Any, again: bool) -> Steps[None]:
    """Pause, resume, stop, cancel or tune a job."""
    yield from policy.send(Call("POST", path_of(job_id, action), json=body, idempotent=again))


def report(policy: Policy, job_id: str) -> Steps[bytes]:
    reply = yield from policy.send(Call("GET", path_of(job_id, "report")))
    return reply.content


def result(policy: Policy, job_id: str, timeout: float | None) -> Steps[Any]:
    """Wait for the result of a job, also while the gateway cannot be reached for some minutes."""
    policy = policy.patient()
    until = None if timeout is None else policy.now() + timeout
    while True:
        wait = POLL if until is None else max(0.0, min(POLL, until - policy.now()))
        call = Call(
            "GET",
            path_of(job_id, "result"),
            params={"wait": f"{wait:.3f}s"},
            timeout=wait + SILENCE,
        )
        try:
            reply = yield from policy.send(call)
            return reply.document()
        except APIError as e:
            if e.code == "job_has_no_result":
                raise (yield from why(policy, job_id, e)) from None
            if e.code != "job_not_finished":
                raise
        if until is not None and policy.now() >= until:
            raise overdue(job_id, timeout)


def why(policy: Policy, job_id: str, e: CogflowError) -> Steps[CogflowError]:
    """The error of a job that ended without a result."""
    now = yield from status(policy, job_id)
    failure = now.get("error")
    text, error_class = (failure["message"], failure["class"]) if failure else (e.message, "")
    if failure and failure.get("advice"):
        text += ". " + failure["advice"]
    kind = JobFailedError if now["state"] == "failed" else JobCanceledError
    return kind(
        f"job {job_id} {now['state']}: {text}",
        job_id=job_id,
        status=now["state"],
        error_class=error_class,
    )


def events(policy: Policy, job_id: str, after: int | None, timeout: float | None) -> Steps[None]:
    """Emit each new state of a job, until it has ended.

    It reads the stream of events, and comes back with the number of the last one. Where no stream
    comes through, it asks for the next state instead: some proxies hold streams back.
    """
    policy = policy.patient()
    until = None if timeout is None else policy.now() + timeout
    attempts = Attempts(policy)
    last, streams = after, True
    while True:
        before = last
        try:
            read = stream if streams else poll
            last, ended = yield from read(policy, job_id, last, until)
        except _Cut as e:
            last = e.last
            if last != before:
                attempts.succeeded()
            elif streams:
                streams = False
            yield from attempts.failed(e.cause, e.wait)
            continue
        attempts.succeeded()
        if ended:
            return
        if until is not None and policy.now() >= until:
            raise overdue(job_id, timeout)


class _Cut(Exception):
    """A stream broke off after the event last."""

    def __init__(self, last: int | None, cause: CogflowError, wait: float | None) -> None:
        super().__init__(last, cause, wait)
        self.last, self.cause, self.wait = last, cause, wait


def stream(
    policy: Policy, job_id: str, last: int | None, until: float | None
) -> Steps[tuple[int | None, bool]]:
    """Emit the events of one stream; returns the last one, and whether the job has ended."""
    headers = {"Accept": "text/event-stream"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    silence = SILENCE if until is None else max(0.1, min(SILENCE, until - policy.now()))
    call = Call("GET", path_of(job_id, "events"), headers=headers, timeout=silence)
    reply = yield from policy.send(call, stream=True)
    if not reply.headers.get("content-type", "").startswith("text/event-stream"):
        raise _Cut(last, InvalidResponseError("the answer is not a stream of events"), 0)
    parser = Parser()
    while until is None or policy.now() < until:
        try:
            chunk: bytes = yield Chunk()
        except httpx.TransportError as e:
            if until is not None and policy.now() >= until:
                break
            raise _Cut(last, lost(call, e), parser.retry) from e
        if not chunk:
            cause = ConnectionFailedError(
                f"the stream of events of the job {job_id} ended before the job",
                error_class="transport",
            )
            raise _Cut(last, cause, parser.retry)
        for event in parser.feed(chunk):
            document = _json(event.data)
            if event.name == "error":
                content = event.data.encode()
                raise _Cut(last, from_response(503, reply.headers, content), parser.retry)
            if event.name in ("state", "end"):
                last = int(event.id)
                yield Emit(document)
            if event.name == "end":
                return last, True
    return last, False


def poll(
    policy: Policy, job_id: str, last: int | None, until: float | None
) -> Steps[tuple[int | None, bool]]:
    """As stream, by one request that waits for the next state."""
    wait = POLL if until is None else max(0.0, min(POLL, until - policy.now()))
    params = {"wait": f"{wait:.3f}s"}
    if last is not None:
        params["after"] = str(last)
    call = Call("GET", path_of(job_id, "events"), params=params, timeout=wait + SILENCE)
    page = typed((yield from policy.send(call)), "events")
    for event in page["events"]:
        last = event["id"]
        yield Emit(event["job"])
        if event["event"] == "end":
            return last, True
    return last, False


def overdue(job_id: str, timeout: float | None) -> WaitTimeoutError:
    return WaitTimeoutError(
        f"the job {job_id} did not end in {timeout or 0:g} s; it goes on, "
        "and a new wait attaches to it"
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidResponseError(
            f"an event is not JSON: {text[:200]!r}", error_class="transport"
        ) from None


def typed(reply: Reply, *names: str) -> Any:
    """The document of an answer that must have these fields."""
    document = reply.document()
    missing = [name for name in names if name not in document]
    if missing:
        raise InvalidResponseError(
            f"the answer has no field {missing[0]!r}; "
            "check that the URL is that of cogflow-gateway",
            error_class="transport",
            request_id=reply.headers.get("x-request-id", ""),
        )
    return document
