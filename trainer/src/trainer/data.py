"""Canonical rows: read, hashed and checked, one JSON object per line."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .fault import Input
from .job import File, Job
from .method import Row

_HEX = re.compile(r"[0-9a-f]{64}")

# Which keys a row of a method may have; the first set that fits the first row applies to all.
_SHAPES: dict[str, list[tuple[set[str], set[str]]]] = {
    "sft": [({"messages"}, set()), ({"prompt", "completion"}, set()), ({"text"}, set())],
    "dpo": [({"prompt", "chosen", "rejected"}, set())],
    "kto": [({"prompt", "completion", "label"}, set())],
    "embedding": [({"anchor", "positive"}, {"negative"})],
}


def read(job: Job) -> tuple[list[Row], list[Row]]:
    """The rows to train on and those held out (none without job.eval)."""
    train = _read("train", job.train, job.method)
    if not train:
        raise Input(f"train: {job.train.path} has no rows")
    held_out = [] if job.eval is None else _read("eval", job.eval, job.method)
    if held_out and set(held_out[0]) != set(train[0]):
        raise Input(f"eval: rows have {_keys(held_out[0])}, those of train have {_keys(train[0])}")
    return train, held_out


def _keys(row: Row) -> str:
    return ", ".join(sorted(row))


def _read(what: str, file: File, method: str) -> list[Row]:
    try:
        data = Path(file.path).read_bytes()
    except OSError as e:
        raise Input(f"{what}: cannot read {file.path}: {e}") from e
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise Input(f"{what}: {file.path} has SHA-256 {found}, but the job expects {file.sha256}")
    rows: list[Row] = []
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    for number, line in enumerate(lines, 1):
        where = f"{what} line {number}"
        try:
            row = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as e:
            raise Input(f"{where}: not JSON: {e}") from e
        _check(row, method, where)
        if rows and set(row) != set(rows[0]):
            raise Input(f"{where}: has {_keys(row)}, the first row has {_keys(rows[0])}")
        rows.append(row)
    if len(rows) != file.rows:
        raise Input(f"{what}: {file.path} has {len(rows)} rows, but the job expects {file.rows}")
    return rows


def _check(row: Any, method: str, where: str) -> None:
    if not isinstance(row, dict):
        raise Input(f"{where}: must be an object, got {type(row).__name__}")
    keys = set(row)
    if not any(need <= keys <= need | may for need, may in _SHAPES[method]):
        required = " or ".join(", ".join(sorted(need)) for need, _ in _SHAPES[method])
        raise Input(f"{where}: has the keys {_keys(row)}; {method} requires {required}")
    for key, value in row.items():
        if key == "label":
            if not isinstance(value, bool):
                raise Input(f"{where}: label must be true or false, got {type(value).__name__}")
        elif isinstance(value, list) and (key == "messages" or "prompt" in row):
            _check_messages(value, f"{where}: {key}", method)
        elif method == "embedding" and isinstance(value, dict):
            _check_image(value, {"image"}, f"{where}: {key}")
        elif not isinstance(value, str) or key == "messages":
            kind = "a list of messages" if key == "messages" else "a string"
            raise Input(f"{where}: {key} must be {kind}, got {type(value).__name__}")
        elif not value and key != "prompt":
            raise Input(f"{where}: {key} is empty")
    texts = [key for key in row if key != "label"]
    if "prompt" in row and len({isinstance(row[key], list) for key in texts}) > 1:
        raise Input(f"{where}: {', '.join(texts)} must all be strings or all be messages")


def _check_messages(messages: list[Any], where: str, method: str) -> None:
    if not messages:
        raise Input(f"{where}: no messages")
    for i, m in enumerate(messages):
        if not isinstance(m, dict) or set(m) - {"weight"} != {"role", "content"}:
            raise Input(f"{where}[{i}]: must be an object with role and content")
        if "weight" in m and (m["weight"] != 0 or m["role"] != "assistant"):
            raise Input(f"{where}[{i}]: weight must be 0, of an answer that is not learned")
        if method == "sft" and isinstance(m["role"], str) and isinstance(m["content"], list):
            _check_parts(m["content"], f"{where}[{i}].content")
        elif not isinstance(m["role"], str) or not isinstance(m["content"], str):
            raise Input(f"{where}[{i}]: role and content must be strings")


def _check_parts(parts: list[Any], where: str) -> None:
    """What a message of texts and images consists of."""
    if not parts:
        raise Input(f"{where}: no parts")
    for i, part in enumerate(parts):
        if not isinstance(part, dict) or part.get("type") not in ("text", "image"):
            raise Input(f"{where}[{i}]: must be an object with the type text or image")
        if part["type"] == "image":
            _check_image(part, {"type", "image"}, f"{where}[{i}]")
        elif set(part) != {"type", "text"} or not isinstance(part["text"], str):
            raise Input(f"{where}[{i}]: must have a text, which is a string")


def _check_image(value: dict[str, Any], keys: set[str], where: str) -> None:
    name = value.get("image")
    if set(value) != keys or not isinstance(name, str) or not _HEX.fullmatch(name):
        raise Input(f"{where}: must have an image, which is a SHA-256 in lower-case hexadecimal")


def images(rows: list[Row]) -> list[str]:
    """The images that rows name, each once, in order."""
    return list(dict.fromkeys(name for row in rows for v in row.values() for name in _named(v)))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for m in value:
            if isinstance(m["content"], list):
                yield from (p["image"] for p in m["content"] if p["type"] == "image")
    elif isinstance(value, dict):
        yield value["image"]
