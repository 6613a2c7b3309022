"""Errors of the client. Every one is a CogflowError; those of the gateway are APIErrors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class CogflowError(Exception):
    """Everything that this package raises on purpose.

    message says what failed, why, and what to do. error_class says who can fix it: "input" (the
    caller), "auth" (the key), "budget" (a person who decides about money), "overload",
    "capacity" and "transport" (time), or "" if nobody knows. request_id finds the request in the
    log of the gateway.
    """

    def __init__(self, message: str, *, error_class: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.error_class = error_class
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} (request {self.request_id})" if self.request_id else self.message


class ConnectionFailedError(CogflowError):
    """The gateway was not reached, or the connection broke, for as long as the client retries."""


class InvalidResponseError(CogflowError):
    """The answer is not one of cogflow's gateway: it is another server, or a proxy changed it."""


class ChecksumError(CogflowError):
    """Bytes that were sent or received differ from their SHA-256."""


class WaitTimeoutError(CogflowError, TimeoutError):
    """The job did not end in the time that the caller gave. It goes on; wait again to attach."""


class APIError(CogflowError):
    """The gateway refused a request or failed."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        param: str | None = None,
        retry_after: float | None = None,
        error_class: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, error_class=error_class, request_id=request_id)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after


class InvalidRequestError(APIError):
    """The request must be changed (400, 405, 409, 413, 415, 422)."""


class AuthenticationError(APIError):
    """The key is missing, unknown, expired or revoked (401)."""


class PermissionDeniedError(APIError):
    """The key is of another tenant (403)."""


class NotFoundError(APIError):
    """There is no such job, object or route (404)."""


class RateLimitError(APIError):
    """A limit of the tenant is reached (429)."""


class BudgetError(APIError):
    """A budget is spent (429 with the code insufficient_quota). No retry helps."""


class ServerError(APIError):
    """The gateway, Temporal or a model server failed or is overloaded (5xx)."""


class JobError(CogflowError):
    """A job ended without a result. job_id is its id, status what became of it."""

    def __init__(self, message: str, *, job_id: str, status: str, error_class: str = "") -> None:
        super().__init__(message, error_class=error_class)
        self.job_id = job_id
        self.status = status


class JobFailedError(JobError):
    """The job failed."""


class JobCanceledError(JobError):
    """The job was canceled, terminated or has timed out."""


_STATUSES: dict[int, tuple[type[APIError], str]] = {
    401: (AuthenticationError, "auth"),
    403: (PermissionDeniedError, "auth"),
    404: (NotFoundError, "input"),
    429: (RateLimitError, "overload"),
    502: (ServerError, "transport"),
    503: (ServerError, "overload"),
    504: (ServerError, "transport"),
}


def from_response(status: int, headers: Mapping[str, str], content: bytes) -> CogflowError:
    """The error of an answer whose status is not one of success."""
    document: Any = None
    try:
        document = json.loads(content)
    except ValueError:
        pass
    error = document.get("error") if isinstance(document, dict) else None
    request_id = headers.get("x-request-id", "")
    if not isinstance(error, dict):
        start = content[:200].decode("utf-8", "replace").strip()
        return InvalidResponseError(
            f"HTTP {status} without an error document of cogflow ({start!r}); "
            "check that the URL is that of cogflow-gateway",
            error_class="transport",
            request_id=request_id,
        )
    kind, error_class = _STATUSES.get(
        status, (ServerError, "") if status >= 500 else (InvalidRequestError, "input")
    )
    code = str(error.get("code") or "")
    if code == "insufficient_quota":
        kind, error_class = BudgetError, "budget"
    return kind(
        str(error.get("message") or f"HTTP {status}"),
        status=status,
        code=code,
        param=error.get("param"),
        retry_after=retry_after(headers),
        error_class=str(error.get("class") or error_class),
        request_id=request_id,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of the header Retry-After. cogflow's gateway sends no dates."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None
