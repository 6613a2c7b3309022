"""The form of a transcription request, as OpenAI documents it."""

from starlette.concurrency import run_in_threadpool
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ..body import limited
from ..fault import Fault, bad
from . import audio, formats
from .whisper import Job

MAX_UPLOAD = 25 << 20  # bytes of a sound, as OpenAI's
MAX_REST = 1 << 20  # bytes of the other fields
GRANULARITIES = {"segment", "word"}


async def read(request: Request, model: str) -> tuple[Job, str, set]:
    """What is asked of which sound, the response format, and whose times are wanted."""
    fields = await _fields(request)
    if _one(fields, "model", model) != model:
        raise Fault(404, "model_not_found", f"the model of transcriptions is {model}")
    kind = _one(fields, "response_format", "json")
    if kind not in formats.FORMATS:
        raise bad(f"response_format must be one of: {', '.join(formats.FORMATS)}")
    times = set(fields.get("timestamp_granularities", ["segment"]))
    if not times <= GRANULARITIES:
        raise bad("timestamp_granularities must hold segment, word or both")
    if "word" in times and kind != "verbose_json":
        raise bad("timestamp_granularities requires the response_format verbose_json")
    if _one(fields, "stream", "false").lower() not in ("false", "0", ""):
        raise bad("stream is not supported: leave it out")
    file = fields.get("file", [None])[0]
    if not isinstance(file, bytes):
        raise bad("the form must have a file")
    job = Job(
        sound=await run_in_threadpool(audio.samples, file),
        language=_one(fields, "language", ""),
        prompt=_one(fields, "prompt", ""),
        temperature=_temperature(_one(fields, "temperature", "0")),
        words="word" in times,
    )
    return job, kind, times


async def _fields(request: Request) -> dict:
    """The values of each field; a name may end in [], as OpenAI's clients send lists."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise bad("the request must be multipart/form-data", "bad_form")
    stream = limited(request, MAX_UPLOAD + MAX_REST)
    parser = MultiPartParser(
        request.headers, stream, max_files=1, max_fields=64, max_part_size=MAX_REST
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as e:
        reason = getattr(e, "message", "") or "it has no boundary"
        raise bad(f"the form cannot be read: {reason}", "bad_form") from e
    fields: dict = {}
    try:
        for name, value in form.multi_items():
            content = value if isinstance(value, str) else await value.read()
            fields.setdefault(name.removesuffix("[]"), []).append(content)
    finally:
        await form.close()
    return fields


def _one(fields: dict, name: str, default: str) -> str:
    value = fields.get(name, [default])[0]
    if not isinstance(value, str):
        raise bad(f"the field {name} must be a text, not a file")
    return value


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:  # also NaN
        raise bad("temperature must be a number from 0 to 1")
    return value
