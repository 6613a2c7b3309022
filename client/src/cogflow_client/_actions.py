"""What an operation asks its driver to do.

An operation is a generator: it yields actions, and gets their results. It does no input or output
itself, so one implementation serves Client and AsyncClient.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .errors import InvalidResponseError

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One HTTP request. idempotent says that a second one changes nothing more."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool | None = None  # None: as the method says
    timeout: float | None = None  # seconds without a byte; None: that of the client

    @property
    def repeatable(self) -> bool:
        if self.idempotent is not None:
            return self.idempotent
        return self.method in ("GET", "HEAD", "PUT", "DELETE")


@dataclass(frozen=True)
class Reply:
    """A whole answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def document(self) -> dict[str, Any]:
        """The JSON object of the answer."""
        try:
            value = json.loads(self.content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise InvalidResponseError(
                f"the answer is not a JSON object: {self.content[:200]!r}",
                error_class="transport",
                request_id=self.headers.get("x-request-id", ""),
            )
        return value


@dataclass(frozen=True)
class Open:
    """Send a request and leave its answer open; the result is a Reply, without content if its
    status is one of success. Chunk reads it."""

    call: Call


@dataclass(frozen=True)
class Chunk:
    """Read some bytes of the open answer; the result is empty at its end."""


@dataclass(frozen=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True)
class Blocking:
    """Call a function that reads or writes files; the result is its own."""

    do: Callable[[], Any]


@dataclass(frozen=True)
class Emit:
    """Hand an item to who iterates over the operation."""

    item: Any


Action = Call | Open | Chunk | Sleep | Blocking | Emit
Steps = Generator[Action, Any, T]
