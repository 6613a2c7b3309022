"""The curl lines of Cogniverse's deployment guide, against a vision model that computes."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import zipfile
from typing import Any

import pytest


@pytest.fixture(scope="module")
def service(services: dict[str, str]) -> str:
    """The root URL of a service of one model, as the guide's callers know it."""
    return services["vlm"]


def curl(*arguments: str, body: Any = None) -> dict[str, Any]:
    """What curl prints; a failure of HTTP is an error."""
    posted = ["-H", "Content-Type: application/json", "--data-binary", "@-"] if body else []
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", *posted, *arguments],
        input=json.dumps(body) if body else None,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("frame") / "frame.jpg"
    source = ["-f", "lavfi", "-i", "testsrc=size=64x64", "-frames:v", "1", str(path)]
    subprocess.run(["ffmpeg", "-v", "error", *source], check=True)
    return path.read_bytes()


def test_texts(service: str) -> None:
    assert curl(service + "/health")["status"] == "healthy"
    assert len(curl(service + "/models")["loaded_models"]) == 1
    asked = {"prompt": "How many lamps are in hall 1?", "max_tokens": 8, "temperature": 0}
    said = curl("-X", "POST", service + "/generate", body=asked)
    assert said["status"] == "success" and said["usage"]["completion_tokens"] > 0, said
    conversation = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    answer = curl("-X", "POST", service + "/chat-completions", body=conversation)
    assert answer["choices"][0]["message"]["content"] and answer["usage"]["completion_tokens"] > 0


def test_frames(service: str, frame: bytes) -> None:
    encoded = base64.b64encode(frame).decode()
    one = curl("-X", "POST", service + "/generate_description", body={"frame_base64": encoded})
    assert one["description"].strip() and one["request_id"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", frame)
    batch = {
        "zip_data": base64.b64encode(packed.getvalue()).decode(),
        "frame_mapping": {"a.jpg": "7"},
    }
    out = curl("-X", "POST", service + "/upload_and_process_frames", body=batch)
    assert set(out["descriptions"]) | set(out.get("failures", {})) == {"7"}, out
    assert out["descriptions"]["7"].strip(), out
