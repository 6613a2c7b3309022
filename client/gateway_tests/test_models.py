"""Real clients of OpenAI's API, against the gateway and models that compute."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import NotFoundError, OpenAI
from stack import ROOT, SOURCE, eventually, python_env, say


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


def test_openai(
    model_gateway: str, names: dict[str, str], endpoints: dict[str, Any], tmp_path: Path
) -> None:
    """Answers are those of the model servers, and what they used is in the ledger."""
    client = OpenAI(base_url=model_gateway + "/v1", api_key="none")
    assert {m.id for m in client.models.list()} == set(names.values())
    asked: dict[str, Any] = {
        "model": names["chat"],
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 8,
        "temperature": 0,
    }
    direct = OpenAI(base_url=endpoints["chat"]["url"], api_key="none")
    answer, same = (c.chat.completions.create(**asked) for c in (client, direct))
    assert answer.choices[0].message.content == same.choices[0].message.content
    assert answer.usage == same.usage and answer.usage.completion_tokens > 0
    streamed = {**asked, "stream": True, "stream_options": {"include_usage": True}}
    parts, bare_parts = (list(c.chat.completions.create(**streamed)) for c in (client, direct))
    assert said(parts) == said(bare_parts), "a stream of random bytes can end within a character"
    assert same.choices[0].message.content.startswith(said(parts).rstrip("\ufffd"))
    assert parts[-1].usage and parts[-1].usage.completion_tokens == same.usage.completion_tokens

    own = OpenAI(base_url=endpoints["meaning"]["url"], api_key="none")
    texts = ["a red tram", "a chocolate cake"]
    vectors, bare = (
        c.embeddings.create(model=names["meaning"], input=texts, encoding_format="float")
        for c in (client, own)
    )
    assert [v.embedding for v in vectors.data] == [v.embedding for v in bare.data]

    spoken = tmp_path / "said.wav"
    say(spoken, "The weather in the mountains is cold tonight.")
    with spoken.open("rb") as sound:
        heard = client.audio.transcriptions.create(model=names["speech"], file=sound, language="en")
    assert {"weather", "mountains"} <= set(heard.text.lower().rstrip(".").split()), heard.text
    with pytest.raises(NotFoundError):
        client.embeddings.create(model="nothing", input="a")

    def booked() -> bool | None:
        costs = httpx.get(model_gateway + "/costs", params={"by": "model"}).raise_for_status().text
        return all(name in costs for name in names.values()) or None

    eventually("the calls in the ledger", booked)  # it is written after the answer


def test_go_openai(model_gateway: str, names: dict[str, str], endpoints: dict[str, Any]) -> None:
    done = subprocess.run(
        [
            *("go", "run", "./client/gateway_tests/goopenai"),
            *(model_gateway + "/v1", endpoints["chat"]["url"], names["chat"]),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def said(parts: list[Any]) -> str:
    return "".join(part.choices[0].delta.content or "" for part in parts if part.choices)


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
