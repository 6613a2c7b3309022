"""OpenAI's /v1/embeddings, for models that yield one vector a text."""

import asyncio
import base64
from collections.abc import Awaitable, Callable

import numpy as np

from .fault import bad

MAX_INPUTS = 2048  # of one request, as OpenAI's
AT_ONCE = 32  # of them that wait for the model together, so that one request cannot fill the queue


def texts(body: dict) -> list:
    """The texts of a request."""
    given = body.get("input")
    inputs = [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= MAX_INPUTS:
        raise bad(f"input must be a string or a list of 1 to {MAX_INPUTS} strings")
    if not all(isinstance(i, str) for i in inputs):
        raise bad("input must hold strings; token ids are not supported")
    return inputs


def check(encoder, body: dict) -> None:
    """Refuse what the model cannot answer."""
    if encoder.kind != "single":
        raise bad("this model yields many vectors: ask /pooling with task token_embed", "bad_task")
    if body.get("dimensions", encoder.dim) not in (encoder.dim, None):
        raise bad(f"the vectors have {encoder.dim} dimensions: leave dimensions out")
    if body.get("encoding_format", "float") not in ("float", "base64"):
        raise bad("encoding_format must be float or base64")


QUERIES = ("query", "search_query", "retrieval.query")
PASSAGES = ("document", "passage", "search_document", "retrieval.passage")


def kind(encoder, body: dict) -> str:
    """The kind of the texts, by the field of Voyage, Cohere and NVIDIA, or by that of Jina."""
    role = body.get("input_type", body.get("task"))
    if role is None:
        return "query"  # as everything without a role
    if role not in QUERIES + PASSAGES:
        raise bad("input_type must be query or document")
    found = "role_query" if role in QUERIES else "role_document"
    if found not in getattr(encoder, "roles", ()):
        raise bad(f"this model has no prompt for input_type {role}: leave it out", "no_role")
    return found


async def answer(embed: Callable[[str, str], Awaitable], encoder, model: str, body: dict) -> dict:
    """Embed the texts of a request, in its order."""
    check(encoder, body)
    inputs, role = texts(body), kind(encoder, body)
    found: list = []
    for i in range(0, len(inputs), AT_ONCE):
        found += await asyncio.gather(*(embed(t, role) for t in inputs[i : i + AT_ONCE]))
    form = _base64 if body.get("encoding_format") == "base64" else np.ndarray.tolist
    data = [
        {"object": "embedding", "index": i, "embedding": form(rows[0])}
        for i, rows in enumerate(found)
    ]
    tokens = sum(encoder.tokens(t, role) for t in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": model, "data": data, "usage": usage}


def _base64(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
