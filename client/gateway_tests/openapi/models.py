"""A model server that answers every route of models, as the protocols say. It computes nothing."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAMES = {
    "openai": "chat",
    "embeddings": "meaning",
    "pooling": "pooling",
    "transcriptions": "speech",
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
# The one output of the program that is optimized here.
SAID = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"
MESSAGE = {"role": "assistant", "content": SAID}
ANSWERS: dict[str, Any] = {
    "/v1/chat/completions": {
        "id": "1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
        "usage": USAGE,
    },
    "/v1/completions": {"choices": [{"index": 0, "text": SAID}], "usage": USAGE},
    "/v1/embeddings": {"data": [{"index": 0, "embedding": [1, 0]}], "usage": USAGE},
    "/pooling": {"data": [{"index": 0, "data": [[1, 0]]}], "usage": USAGE},
    "/tokenize": {"count": 3, "max_model_len": 4096, "tokens": [1, 2, 3]},
    "/v1/audio/transcriptions": {"text": "hello"},
    "/embed/video": {"vec": [1, 0]},
    "/v1/video/embeddings": {"embeddings": [[1, 0]], "frames_processed": 16},
    "/embed/audio": {"vec": [1, 0]},
    "/embed/text": {"vec": [1, 0]},
}


# What a request must have, and the types of fields, as real servers check them.
REQUIRED = {
    "/v1/chat/completions": ["messages"],
    "/v1/completions": ["prompt"],
    "/embed/video": ["video_b64"],
    "/v1/video/embeddings": ["video"],
    "/embed/audio": ["audio_b64"],
    "/embed/text": ["text"],
}
TYPES: dict[str, Any] = {
    **dict.fromkeys(["video", "video_b64", "audio_b64", "text"], str),
    **dict.fromkeys(["messages", "images", "stop"], list),
    **dict.fromkeys(["start_time", "end_time"], (int, float)),
}
ITEMS = {"messages": dict, "images": str, "stop": str}


def wrong(path: str, body: dict[str, Any]) -> str:
    """What a server finds wrong with a request; "" = nothing."""
    given = {name: value for name, value in body.items() if value is not None}
    for name in REQUIRED.get(path, []):
        if name not in given:
            return f"{name} is required"
    temperature = given.get("temperature", 0)
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float)):
        return "temperature has a wrong type"
    if path == "/tokenize" and not isinstance(given.get("prompt", ""), str):
        return "prompt has a wrong type"
    for name, kind in TYPES.items():
        if name not in given:
            continue
        value = given[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"{name} has a wrong type"
        if name in ITEMS and not all(isinstance(item, ITEMS[name]) for item in value):
            return f"{name} has an item of a wrong type"
    return ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_json = self.headers.get("Content-Type") == "application/json"
        if why := wrong(self.path, json.loads(data) if is_json else {}):
            self.answer(400, {"error": {"message": why}})
        else:
            self.answer(200 if self.path in ANSWERS else 404, ANSWERS.get(self.path, {}))

    def do_GET(self) -> None:
        data = [{"id": name, "object": "model"} for name in NAMES.values()]
        self.answer(200, {"object": "list", "data": data})

    def answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def on_demand(port: int) -> dict[str, Any]:
    """The sections `servers` and `endpoints` of a server that a worker starts."""
    url = f"http://127.0.0.1:{port}/v1"
    command = [sys.executable, str(Path(__file__).resolve()), str(port)]
    return {
        "servers": {"sleeper": {"command": command, "ready": url + "/models"}},
        "endpoints": {
            "sleeper": {"kind": "openai", "url": url, "models": ["chat"], "server": "sleeper"}
        },
    }


def serve() -> dict[str, Any]:
    """Start the server; the result is the section `endpoints` of a configuration."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    return {
        kind: {
            "kind": kind,
            "url": url + ("/v1" if kind in {"openai", "transcriptions"} else ""),
            "models": [name],
        }
        for kind, name in NAMES.items()
    }


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
