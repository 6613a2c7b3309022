"""A local HTTP server whose answers are written by each test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Got:
    """A request that the server got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Say:
    """An answer. cut closes the connection after its content, as if more was to come."""

    content: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def raw(self) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps(self.content).encode()


def failure(status: int, code: str = "x", message: str = "it failed", **headers: str) -> Say:
    """An error as the gateway documents it."""
    body = {
        "error": {"message": message, "type": "t", "param": None, "code": code},
        "detail": message,
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Say(body, status, {"X-Request-Id": "req_1", **named})


def events(*states: Any, end: bool = False) -> bytes:
    """A stream of the states of a job, by their field event."""
    out = "retry: 10\n\n: waiting\n\n"
    for n, state in enumerate(states):
        name = "end" if end and n == len(states) - 1 else "state"
        out += f"id: {state['event']}\nevent: {name}\ndata: {json.dumps(state)}\n\n"
    return out.encode()


class Server:
    """Answers requests by the function of the test, and remembers them."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answer: Callable[[Got], Say] = lambda _: failure(500)
        self.url = ""

    def script(self, *answers: Say) -> None:
        """Give these answers, one after the other."""
        rest = list(answers)
        self.answer = lambda _: rest.pop(0)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            got = Got(self.command, self.path, headers, self.rfile.read(length))
            server.got.append(got)
            say = server.answer(got)
            self.send_response(say.status)
            for name, value in say.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(say.raw) + (1 if say.cut else 0)))
            self.end_headers()
            self.wfile.write(say.raw)
            if say.cut:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = handle_one

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
