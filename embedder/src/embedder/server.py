"""The HTTP contract: /pooling as vLLM's, /v1/embeddings as OpenAI's, /v1/models, /health."""

import asyncio
import base64

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from . import openai, pictures
from .batch import Batcher
from .body import json_object
from .fault import Fault, bad, respond
from .videoprism import spread

MAX_TEXT = 32 << 10  # characters of one query
MAX_TEXTS = 256  # queries of one request
MAX_PICTURES = 256  # stills of one segment
AT_ONCE = 8  # stills of one segment, or queries of one request, that wait together
TASKS = {"multi": ("token_embed", "many vectors"), "single": ("embed", "one vector")}


def _message(body: dict) -> tuple[list, object]:
    """The picture URIs of the one message that a request holds, and its text."""
    try:
        (message,) = body["messages"]
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        uris = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
        text = "".join(p["text"] for p in parts if p["type"] == "text")
    except (KeyError, TypeError, ValueError) as e:
        raise bad("messages must hold one message whose content is a list of parts") from e
    if len(uris) > MAX_PICTURES or not (uris or text):
        raise bad(f"the message must hold 1 to {MAX_PICTURES} pictures, or a text")
    return uris, text


def _texts(body: dict) -> list:
    """The queries of a request: a text, or a list of texts."""
    given = body.get("input")
    texts = given if isinstance(given, list) else [given]
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise bad(f"input must be a string or a list of 1 to {MAX_TEXTS} strings")
    if body.get("is_query", True) is not True:
        raise bad("texts are embedded as queries: leave is_query out", "no_role")
    return texts


def _encode(rows: np.ndarray, body: dict) -> dict:
    encoding = body.get("encoding_format", "float")
    if encoding == "float":
        return {"data": rows.tolist(), "shape": list(rows.shape)}
    if encoding != "base64":
        raise bad(f"encoding_format must be float or base64, got {encoding!r}")
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

    async def pictures_of(uris: list) -> list:
        """Embed the stills of a segment: as one clip, or one after the other."""
        if encoder.frames:
            chosen = spread(len(uris), encoder.frames)
            stills = {i: await run_in_threadpool(prepared, uris[i]) for i in sorted(set(chosen))}
            clip = np.stack([stills[i] for i in chosen])
            return [await batcher.submit("clip", 1, clip)]
        rows = []
        for i in range(0, len(uris), AT_ONCE):  # not all at once: decoded pictures are large
            rows += await asyncio.gather(*(picture_of(u) for u in uris[i : i + AT_ONCE]))
        return rows

    async def picture_of(uri: str) -> np.ndarray:
        picture = await run_in_threadpool(prepared, uri)
        return await batcher.submit("picture", picture.width * picture.height, picture)

    def prepared(uri: str) -> object:
        return encoder.prepare(pictures.read(uri))

    async def text_of(text: object, kind: str = "query") -> np.ndarray:
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
            raise bad(f"input must be a string of 1 to {MAX_TEXT} characters")
        tokens = encoder.tokens(text, kind) if encoder.max_tokens else 0
        if tokens > encoder.max_tokens:
            raise bad(
                f"the text has {tokens} tokens, the model takes {encoder.max_tokens}: shorten it",
                "context_length_exceeded",
            )
        return finite(await batcher.submit(kind, len(text), text))

    async def asked(request: Request) -> dict:
        body = await json_object(request)
        if body.get("model", model) != model:
            raise Fault(404, "model_not_found", f"this server serves {model} alone")
        return body

    def finite(rows: np.ndarray) -> np.ndarray:
        if not np.isfinite(rows).all():
            raise Fault(500, "not_finite", "the model answered NaN or infinity")
        return rows

    async def pooling(request: Request) -> JSONResponse:
        body = await asked(request)
        task, many = TASKS[encoder.kind]
        if body.get("task", task) != task:
            raise bad(f"this model yields {many}: task must be {task}", "bad_task")
        uris, texts = [], []
        if "messages" in body:
            uris, text = _message(body)
            texts = [] if uris else [text]
        else:
            texts = _texts(body)
        if refusal := encoder.no_pictures if uris else encoder.no_text:
            raise bad(refusal, "no_pictures" if uris else "no_text")
        if uris:
            found = [finite(np.concatenate(await pictures_of(uris)))]
        else:
            found = []
            for i in range(0, len(texts), AT_ONCE):
                found += await asyncio.gather(*(text_of(t) for t in texts[i : i + AT_ONCE]))
        rows = [r[0] if encoder.kind == "single" else r for r in found]
        data = [{"index": i, "object": "pooling", **_encode(r, body)} for i, r in enumerate(rows)]
        return JSONResponse({"object": "list", "model": model, "data": data})

    async def embeddings(request: Request) -> JSONResponse:
        body = await asked(request)
        return JSONResponse(await openai.answer(text_of, encoder, model, body))

    async def models(_: Request) -> JSONResponse:
        one = {"id": model, "object": "model", "dim": encoder.dim, "kind": encoder.kind}
        return JSONResponse({"object": "list", "data": [{**one, "revision": revision}]})

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/pooling", pooling, methods=["POST"]),
            Route("/v1/embeddings", embeddings, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
        ],
        exception_handlers={Fault: respond, Exception: respond},
    )
