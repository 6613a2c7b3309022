"""The HTTP contract: OpenAI's /v1/audio/transcriptions and /v1/embeddings, and /v1/models."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import openai
from ..batch import Batcher
from ..body import json_object
from ..fault import Fault, bad, respond
from . import form, formats, minilm, whisper

MAX_TEXT = 32 << 10  # characters
WAITING = 16  # sounds that wait for the model; more are answered 503
BATCH = 32  # texts that are embedded together


def create(speech: whisper.Whisper, meaning: minilm.MiniLM) -> Starlette:
    """The application that serves both models."""
    sounds = Batcher(lambda _, jobs: [speech(j) for j in jobs], size=1, depth=WAITING)
    texts = Batcher(meaning, size=BATCH)

    async def transcriptions(request: Request) -> Response:
        job, kind, times = await form.read(request, whisper.MODEL)
        speech.check(job)
        found = await sounds.submit("sound", job.sound.size, job)
        if kind == "json":
            return JSONResponse(formats.plain(found))
        if kind == "verbose_json":
            return JSONResponse(formats.verbose(found, times))
        return Response(formats.text(found, kind), headers={"content-type": formats.TYPES[kind]})

    async def vector(text: str, kind: str):
        if not text.strip() or len(text) > MAX_TEXT:
            raise bad(f"input must be a string of 1 to {MAX_TEXT} characters")
        return await texts.submit(kind, len(text), text)

    async def embeddings(request: Request) -> JSONResponse:
        body = await json_object(request)
        if body.get("model", minilm.MODEL) != minilm.MODEL:
            raise Fault(404, "model_not_found", f"the model of embeddings is {minilm.MODEL}")
        return JSONResponse(await openai.answer(vector, meaning, minilm.MODEL, body))

    async def models(_: Request) -> JSONResponse:
        one = {"id": whisper.MODEL, "kind": "transcription", "revision": whisper.REVISION}
        two = {"id": minilm.MODEL, "kind": "single", "revision": minilm.REVISION}
        two |= {"dim": meaning.dim, "max_tokens": meaning.max_tokens}
        data = [{"object": "model", **m} for m in (one, two)]
        return JSONResponse({"object": "list", "data": data})

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/v1/audio/transcriptions", transcriptions, methods=["POST"]),
            Route("/v1/embeddings", embeddings, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
        ],
        exception_handlers={Fault: respond, Exception: respond},
    )
