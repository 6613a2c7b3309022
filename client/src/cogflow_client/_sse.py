"""Parser of streams of server-sent events, as the HTML standard defines them."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field


@dataclass
class ServerEvent:
    """One event of a stream."""

    name: str = "message"
    data: str = ""
    id: str = ""


@dataclass
class Parser:
    """Turns chunks of bytes into events. Lines end with LF, CR or CRLF and with nothing else:
    splitlines would break JSON at other separators, such as U+0085."""

    last_id: str = ""
    retry: float | None = None  # seconds, if the server said how long to wait before reconnecting
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")("replace")
    )
    _rest: str = ""
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that are complete with this chunk."""
        text = self._rest + self._decoder.decode(chunk)
        # A CR at the end may be the first half of CRLF.
        held = "\r" if text.endswith("\r") else ""
        lines = text[: len(text) - len(held)].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + held
        found = (self._line(line) for line in lines)
        return [event for event in found if event is not None]

    def _line(self, line: str) -> ServerEvent | None:
        if line == "":
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value) / 1000
        return None

    def _dispatch(self) -> ServerEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return ServerEvent(name, "\n".join(data), self.last_id) if data else None
