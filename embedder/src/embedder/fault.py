"""Failures that are returned to the caller."""

from starlette.requests import Request
from starlette.responses import JSONResponse


class Fault(Exception):
    """A failure with the HTTP status and the code that the answer carries."""

    def __init__(self, status: int, code: str, message: str, retry_after: int = 0):
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after

    def body(self) -> dict:
        """The answer, as OpenAI's servers write it."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": str(self), "type": kind, "code": self.code}}


def bad(message: str, code: str = "invalid_request") -> Fault:
    """What the caller must change."""
    return Fault(400, code, message)


async def respond(_: Request, e: Exception) -> JSONResponse:
    """The response to a request that failed; an exception handler of Starlette."""
    fault = e if isinstance(e, Fault) else Fault(500, "failed", f"{type(e).__name__}: {e}")
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else None
    return JSONResponse(fault.body(), fault.status, headers)
