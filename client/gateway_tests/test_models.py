"""Real clients of OpenAI's API, against the gateway and models that compute."""

from __future__ import annotations

import io
import subprocess
import wave
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SOURCE, python_env
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import NotFoundError, OpenAI


@pytest.fixture(scope="session")
def names(endpoints: dict[str, Any]) -> dict[str, str]:
    return {name: endpoint["models"][0] for name, endpoint in endpoints.items()}


def alike(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_langchain(model_gateway: str, names: dict[str, str]) -> None:
    chat = ChatOpenAI(
        model=names["chat"],
        base_url=model_gateway + "/v1",
        api_key="none",
        max_tokens=8,
        temperature=0,
    )
    answer = chat.invoke([HumanMessage("How many lamps are in hall 1?")])
    assert isinstance(answer.content, str) and answer.usage_metadata
    assert answer.usage_metadata["output_tokens"] > 0
    streamed = "".join(str(part.content) for part in chat.stream("How many lamps are in hall 1?"))
    assert streamed == answer.content, "greedy decoding is the same as a stream"

    embed = OpenAIEmbeddings(
        model=names["meaning"],
        base_url=model_gateway + "/v1",
        api_key="none",
        check_embedding_ctx_length=False,  # it would send tokens of OpenAI's tokenizer
    )
    tram, train, cake = embed.embed_documents(["a red tram", "a red streetcar", "a chocolate cake"])
    assert alike(tram, train) > alike(tram, cake)


def test_openai(model_gateway: str, names: dict[str, str]) -> None:
    client = OpenAI(base_url=model_gateway + "/v1", api_key="none")
    assert {m.id for m in client.models.list()} == set(names.values())
    words = [{"role": "user", "content": "hello"}]
    answer = client.chat.completions.create(model=names["chat"], messages=words, max_tokens=4)  # type: ignore[call-overload]
    assert answer.choices[0].message.role == "assistant" and answer.usage.completion_tokens > 0
    silence = io.BytesIO()
    with wave.open(silence, "wb") as w:
        w.setnchannels(1), w.setsampwidth(2), w.setframerate(16000)
        w.writeframes(bytes(32000))
    silence.seek(0)
    heard = client.audio.transcriptions.create(model=names["speech"], file=("a.wav", silence))
    assert isinstance(heard.text, str)
    with pytest.raises(NotFoundError):
        client.embeddings.create(model="nothing", input="a")


def test_dspy(model_gateway: str, names: dict[str, str], tmp_path: Path) -> None:
    """DSPy is in an environment of its own."""
    program = (
        "import sys; from cogflow_client.dspy import lm; "
        "m = lm(sys.argv[1], max_tokens=8, temperature=0.0, cache=False); "
        "out = m(messages=[{'role': 'user', 'content': 'hello'}]); "
        "assert len(out) == 1, out; print(type(m).__module__, m.model)"
    )
    python = ROOT / "prompt/conformance/.venv/bin/python"
    env = python_env(
        PYTHONPATH=str(SOURCE),
        COGFLOW_URL=model_gateway,
        DSPY_CACHEDIR=str(tmp_path),
        LITELLM_LOCAL_MODEL_COST_MAP="True",
    )
    done = subprocess.run(
        [python, "-c", program, names["chat"]], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["dspy.clients.lm", f"openai/{names['chat']}"]
