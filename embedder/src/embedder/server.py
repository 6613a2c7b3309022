"""The HTTP contract: /pooling as vLLM's, /v1/models and /health."""

import base64
import json

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from . import pictures
from .batch import Batcher
from .fault import Fault, bad

MAX_BODY = 64 << 20  # bytes of one request
MAX_TEXT = 32 << 10  # characters of one query
MAX_PICTURES = 256  # stills of one segment


async def _body(request: Request) -> dict:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > MAX_BODY:
            raise Fault(413, "too_large", f"the request is over {MAX_BODY} bytes")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise bad(f"the request is not JSON: {e}", "bad_json") from e
    if not isinstance(body, dict):
        raise bad("the request must be a JSON object", "bad_json")
    return body


def _uris(body: dict) -> list:
    """The picture URIs of the one message that a request holds."""
    try:
        (message,) = body["messages"]
        parts = [p["image_url"]["url"] for p in message["content"] if p["type"] == "image_url"]
    except (KeyError, TypeError, ValueError) as e:
        raise bad("want one message whose content is a list of parts") from e
    if not 1 <= len(parts) <= MAX_PICTURES:
        raise bad(f"want 1 to {MAX_PICTURES} pictures in the message")
    return parts


def _encode(rows: np.ndarray, body: dict) -> dict:
    encoding = body.get("encoding_format", "float")
    if encoding == "float":
        return {"data": rows.tolist(), "shape": list(rows.shape)}
    if encoding != "base64":
        raise bad(f"unknown encoding_format {encoding!r}: want float or base64")
    kinds = {"float32": "f4", "float16": "f2"}
    kind, order = body.get("embed_dtype", "float32"), body.get("endianness", "little")
    if kind not in kinds or order not in ("little", "big", "native"):
        raise bad("embed_dtype must be float32 or float16, endianness little, big or native")
    mark = {"little": "<", "big": ">", "native": "="}[order]
    raw = rows.astype(mark + kinds[kind]).tobytes()
    return {"data": base64.b64encode(raw).decode(), "shape": list(rows.shape)}


def create(encoder, model: str, revision: str, batcher: Batcher | None = None) -> Starlette:
    """The application that serves one model."""
    batcher = batcher or Batcher(encoder)

    async def pooling(request: Request) -> JSONResponse:
        body = await _body(request)
        if body.get("model", model) != model:
            raise Fault(404, "model_not_found", f"this server serves {model} alone")
        if body.get("task", "token_embed") != "token_embed":
            raise bad("this model yields many vectors: want task token_embed", "bad_task")
        if "messages" in body:
            rows = []
            for uri in _uris(body):  # one at a time: decoded pictures are large
                picture = await run_in_threadpool(pictures.read, uri)
                measure = picture.width * picture.height
                rows.append(await batcher.submit("picture", measure, picture))
        else:
            text = body.get("input")
            if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
                raise bad(f"input must be a text of 1 to {MAX_TEXT} characters")
            rows = [await batcher.submit("query", len(text), text)]
        out = np.concatenate(rows)
        if not np.isfinite(out).all():
            raise Fault(500, "not_finite", "the model answered NaN or infinity")
        item = {"index": 0, "object": "pooling", **_encode(out, body)}
        return JSONResponse({"object": "list", "model": model, "data": [item]})

    async def models(_: Request) -> JSONResponse:
        one = {"id": model, "object": "model", "dim": encoder.dim, "kind": encoder.kind}
        return JSONResponse({"object": "list", "data": [{**one, "revision": revision}]})

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def failed(_: Request, e: Exception) -> JSONResponse:
        fault = e if isinstance(e, Fault) else Fault(500, "failed", f"{type(e).__name__}: {e}")
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else None
        return JSONResponse(fault.body(), fault.status, headers)

    return Starlette(
        routes=[
            Route("/pooling", pooling, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
        ],
        exception_handlers={Fault: failed, Exception: failed},
    )
