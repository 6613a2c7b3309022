"""Reads scalars of a training run from the event files that an adapter has for TensorBoard.

The files are records of TensorFlow around messages of protobuf; see TensorBoard's event.proto. This
reads them without either package.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path


def mean(folder: Path, tag: str) -> float | None:
    """The mean of a scalar over all steps; None if there is none."""
    files = sorted(folder.glob("events.out.tfevents.*"))
    values = [value for file in files for value in _values(file.read_bytes(), tag.encode())]
    return sum(values) / len(values) if values else None


def _values(content: bytes, tag: bytes) -> Iterator[float]:
    at = 0
    while at < len(content):
        (size,) = struct.unpack_from("<Q", content, at)
        record = content[at + 12 : at + 12 + size]  # behind its length and the checksum of that
        at += 16 + size
        for number, summary in _fields(record):
            if number == 5:  # Event.summary
                yield from (v for _, value in _fields(summary) for v in _scalar(value, tag))


def _scalar(value: bytes, tag: bytes) -> Iterator[float]:
    fields = dict(_fields(value))
    if fields.get(1) == tag and 2 in fields:  # Value.tag and Value.simple_value
        yield struct.unpack("<f", fields[2])[0]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbers and the bytes of the fields of a message, without those that are integers."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(message, at)
            continue
        if kind == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}[kind]
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
