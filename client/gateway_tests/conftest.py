"""A real gateway, worker and Temporal server, and small models that compute on the CPU.

`make test-client` builds and runs this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from stack import (
    LISTENERS,
    ROOT,
    Servers,
    answering,
    colidefics3,
    ending,
    listener,
    listening,
    python_env,
    served,
    tiny,
    worker_env,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    s = Servers(tmp_path_factory.mktemp("stack"))
    yield s
    s.stop()


@pytest.fixture(scope="session")
def models(servers: Servers) -> Path:
    """A folder with base models of random weights."""
    return tiny(servers.folder / "models", "llama", "encoder")


@pytest.fixture(scope="session")
def endpoints(servers: Servers) -> dict[str, Any]:
    """Servers of a chat model, and of embeddings and transcription."""
    chat = str(answering(servers.folder / "served/llama"))
    url, ready = served(servers, "chat", str(HERE / "counting.py"), "serve", chat)
    small = servers.start(
        "small",
        [str(ROOT / "embedder/small/.venv/bin/python"), "-m", "embedder.small", "--port", "0"],
        python_env(PYTHONPATH=str(ROOT / "embedder/src")),
    )
    found = servers.eventually("small", lambda: re.search(r"http://\S+", small.read_text()))
    ready()
    listed = httpx.get(found[0] + "/models").json()["data"]
    speech = next(m["id"] for m in listed if "whisper" in m["id"].lower())
    meaning = next(m["id"] for m in listed if "minilm" in m["id"].lower())
    return {
        "chat": {"kind": "openai", "url": url + "/v1", "models": [chat]},
        "meaning": {"kind": "embeddings", "url": found[0], "models": [meaning]},
        "speech": {"kind": "transcriptions", "url": found[0], "models": [speech]},
    }


@pytest.fixture(scope="session")
def gateway(servers: Servers, models: Path, endpoints: dict[str, Any]) -> str:
    """The URL of a gateway beside a worker that can train, and optimize with the chat model."""
    student = {"model": endpoints["chat"]["models"][0], "temperature": 0, "max_tokens": 64}
    return listening(
        servers,
        "stack",
        "cogflow-worker --dev --gpu none",
        {
            "gateway": {"listeners": {**LISTENERS, "keyed": {"address": "127.0.0.2:0"}}},
            "endpoints": endpoints,
            "optimize": {"student": student},
            # With keys, workers read local files only where tenants may.
            "sources": {"default": [str(servers.folder.parent)]},
        },
        **worker_env(models),
    )


@pytest.fixture(scope="session")
def model_gateway(servers: Servers, endpoints: dict[str, Any]) -> str:
    """The URL of a gateway of models."""
    (servers.folder / "models-state").mkdir()
    return listening(
        servers,
        "gateway",
        "cogflow-gateway",
        {"endpoints": endpoints},
        COGFLOW_LEDGER=str(servers.folder / "models-state" / "ledger.db"),
    )


@pytest.fixture(scope="session")
def callers_endpoints(servers: Servers, endpoints: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The model servers of Cogniverse's callers, by the name of the service."""
    plain = tiny(servers.folder / "plain", "qwen2_vl") / "tiny/qwen2_vl"
    seeing = str(ending(plain, servers.folder / "served/qwen2_vl"))
    rows = str(colidefics3(servers.folder / "rows"))
    embedder = ["-m", "embedder", "--merged", "--revision", "1", "--name", "rows", "--model", rows]
    vision, vision_ready = served(servers, "vision", str(HERE / "counting.py"), "serve", seeing)
    pooling, pooling_ready = served(servers, "pooling", *embedder)
    sidecars, sidecars_ready = served(servers, "sidecars", str(HERE / "sidecars.py"), rows)
    for ready in (vision_ready, pooling_ready, sidecars_ready):
        ready()
    return {
        "vlm": {"kind": "openai", "url": vision + "/v1", "models": [seeing]},
        "llm": endpoints["chat"],
        "pooling": {"kind": "pooling", "url": pooling, "models": ["rows"]},
        "sidecars": {"kind": "embeddings", "url": sidecars, "models": ["sidecars"]},
        "denseon": endpoints["meaning"],
        "asr": endpoints["speech"],
    }


@pytest.fixture(scope="session")
def services(
    tmp_path_factory: pytest.TempPathFactory, callers_endpoints: dict[str, Any]
) -> Iterator[dict[str, str]]:
    """The root URLs of services of one model each, as Cogniverse's callers know them."""
    listeners: dict[str, Any] = {"main": LISTENERS["main"]}
    for i, (name, endpoint) in enumerate(callers_endpoints.items()):
        listeners[name] = {
            # Port 0 is that of one listener for each address.
            "address": f"127.0.0.{i + 2}:0",
            "tenant": "acme",
            "model": endpoint["models"][0],
            "revision": "r1",
            "max_model_len": 4096,
        }
    # Another worker with --dev has its state in the folder of the other servers.
    own = Servers(tmp_path_factory.mktemp("services"))
    listening(
        own,
        "services",
        "cogflow-worker --dev --gpu none",
        {"gateway": {"listeners": listeners}, "endpoints": callers_endpoints},
        **worker_env(own.folder),
    )
    yield {name: listener(own, "services", name) for name in callers_endpoints}
    own.stop()
