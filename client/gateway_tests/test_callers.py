"""Cogniverse's calls, with models that compute: each answer is that of the model server itself."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from stack import ROOT, python_env, say

SAID = "The weather in the mountains is cold tonight."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the callers send."""
    to = tmp_path_factory.mktemp("callers")
    for name, length in {"frame.jpg": ["-frames:v", "1"], "clip.mp4": ["-t", "1"]}.items():
        source = ["-f", "lavfi", "-i", "testsrc=size=64x48", *length, str(to / name)]
        subprocess.run(["ffmpeg", "-v", "error", *source], check=True)
    say(to / "said.wav", SAID)
    return to


@pytest.fixture(scope="module")
def answers(services: dict[str, str], folder: Path) -> dict[str, Any]:
    """What the callers were answered. DSPy is in an environment of its own."""
    done = subprocess.run(
        [
            ROOT / "prompt/conformance/.venv/bin/python",
            *(ROOT / "gateway/testdata/callers.py", json.dumps(services), folder),
        ],
        env=python_env(DSPY_CACHEDIR=str(folder), LITELLM_LOCAL_MODEL_COST_MAP="True"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    document: dict[str, Any] = json.loads(done.stdout)
    return document


class Model:
    """A model server, asked directly."""

    def __init__(self, endpoint: dict[str, Any]) -> None:
        self.root, self.name = endpoint["url"].removesuffix("/v1"), endpoint["models"][0]

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        body["model"] = self.name
        answer = httpx.post(self.root + path, json=body, timeout=600)
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def say(self, content: Any, **more: Any) -> str:
        messages = [{"role": "user", "content": content}]
        answer = self.ask("/v1/chat/completions", messages=messages, **more)
        text: str = answer["choices"][0]["message"]["content"]
        return text


def test_captions(answers: dict[str, Any], callers_endpoints: Any, folder: Path) -> None:
    model, got = Model(callers_endpoints["vlm"]), answers["vlm"]
    encoded = base64.b64encode((folder / "frame.jpg").read_bytes()).decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}}
    text = {"type": "text", "text": "Describe."}
    assert got["said"] == model.say([text, image], max_tokens=256, temperature=0.2)
    bounds = (ROOT / "video/bounds.go").read_text()
    asked = re.search(r'DescribePrompt *= "(.*?)"', bounds)
    limit = re.search(r"DescribeMaxTokens *= (\d+)", bounds)
    assert asked and limit
    text = {"type": "text", "text": asked[1]}
    described = model.say([image, text], max_tokens=int(limit[1]), temperature=0.2)
    assert got["one"] == described
    # A worker removes control characters from captions, which it stores.
    assert visible(got["batch"]) == visible(described)
    assert visible(described) and described != got["said"], "the model does read its prompt"


def visible(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and not c.isspace())


def test_texts(answers: dict[str, Any], callers_endpoints: Any) -> None:
    model, got = Model(callers_endpoints["llm"]), answers["llm"]
    assert got["said"] == model.say("hi")
    assert got["dspy"] == [model.say("hi", temperature=0.1, max_tokens=1000)]
    assert got["chat"] == model.say("hi")
    asked = {"prompt": "Capital?", "temperature": 0.7, "max_tokens": 100, "stop": ["\n"]}
    assert got["generated"] == model.ask("/v1/completions", **asked)["choices"][0]["text"]
    counted = model.ask("/tokenize", messages=[{"role": "user", "content": "hi"}])
    assert got["tokens"] == counted["count"] == len(counted["tokens"]) > 1


def test_rows(answers: dict[str, Any], callers_endpoints: Any, folder: Path) -> None:
    model, got = Model(callers_endpoints["pooling"]), answers["pooling"]
    encoded = base64.b64encode((folder / "frame.jpg").read_bytes()).decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}}
    text = {"type": "text", "text": "a red car"}
    for kind, part in {"image": image, "text": text}.items():
        own = model.ask("/pooling", messages=[{"role": "user", "content": [part]}])
        assert got[kind] == own["data"][0]["data"], kind
        assert len(got[kind]) > 1 and len(got[kind][0]) == 128
    for i, query in enumerate("ab"):
        own = model.ask("/pooling", input=query)["data"][0]["data"]
        assert len(own) == len(got["queries"][i])
        for row, bare in zip(got["queries"][i], own, strict=True):
            assert row == pytest.approx(bare, abs=1e-4)


def test_sidecars(answers: dict[str, Any], callers_endpoints: Any, folder: Path) -> None:
    model, got = Model(callers_endpoints["sidecars"]), answers["sidecars"]
    frame, clip, said = (
        base64.b64encode((folder / name).read_bytes()).decode()
        for name in ("frame.jpg", "clip.mp4", "said.wav")
    )
    assert got["images"] == model.ask("/v1/embeddings", images=[frame])["embeddings"]
    assert got["video"] == model.ask("/embed/video", video_b64=clip)["vec"]
    assert got["audio"] == model.ask("/embed/audio", audio_b64=said)["vec"]
    assert got["text"] == model.ask("/embed/text", text="a red car")["vec"]
    assert len(got["video"]) == len(got["audio"]) == len(got["text"]) == 32


def test_meaning_and_speech(answers: dict[str, Any], callers_endpoints: Any, folder: Path) -> None:
    model, got = Model(callers_endpoints["denseon"]), answers["meaning"]
    own = model.ask("/v1/embeddings", input="query: it is chilly up in the hills")
    assert got[0] == own["data"][0]["embedding"]
    hills, mountains, train = got
    dot = [sum(x * y for x, y in zip(hills, b, strict=True)) for b in (mountains, train)]
    assert dot[0] > dot[1] + 0.1
    speech = Model(callers_endpoints["asr"])
    heard = httpx.post(
        speech.root + "/v1/audio/transcriptions",
        files={"file": ("said.wav", (folder / "said.wav").read_bytes(), "audio/wav")},
        data={"model": speech.name, "language": "en"},
        timeout=600,
    )
    assert answers["speech"] == heard.json()["text"]
    assert "weather" in answers["speech"].lower()
