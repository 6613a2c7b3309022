"""Bodies of requests, whose size is limited while they are received."""

import json
from collections.abc import AsyncIterator

from starlette.requests import Request

from .fault import Fault, bad

MAX_BODY = 64 << 20  # bytes of one request


async def limited(request: Request, most: int = MAX_BODY) -> AsyncIterator[bytes]:
    """The pieces of a request's body; 413 when they are more than `most` bytes together."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise Fault(413, "too_large", f"the request is over {most} bytes")
        yield piece


async def json_object(request: Request) -> dict:
    """The JSON object that a request holds."""
    raw = b"".join([piece async for piece in limited(request)])
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise bad(f"the request is not JSON: {e}", "bad_json") from e
    if not isinstance(body, dict):
        raise bad("the request must be a JSON object", "bad_json")
    return body
