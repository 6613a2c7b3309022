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
from stack import ROOT, Servers, eventually, free_port, listening, python_env, tiny, worker_env


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
def endpoints(servers: Servers, models: Path) -> dict[str, Any]:
    """Servers of a chat model, and of embeddings and transcription."""
    port, chat = free_port(), str(models / "tiny/llama")
    serve = ["serve", chat, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    python = ROOT / "embedder/.venv/bin"
    log = servers.start("chat", [str(python / "transformers"), *serve], python_env())
    small = servers.start(
        "small",
        [str(ROOT / "embedder/small/.venv/bin/python"), "-m", "embedder.small", "--port", "0"],
        python_env(PYTHONPATH=str(ROOT / "embedder/src")),
    )
    found = eventually("small models", lambda: re.search(r"http://\S+", small.read_text()), small)
    url = f"http://127.0.0.1:{port}"
    eventually("the chat model", lambda: httpx.get(url + "/health").is_success or None, log)
    listed = httpx.get(found[0] + "/models").json()["data"]
    speech = next(m["id"] for m in listed if "whisper" in m["id"].lower())
    meaning = next(m["id"] for m in listed if "minilm" in m["id"].lower())
    return {
        "chat": {"kind": "openai", "url": url + "/v1", "models": [chat]},
        "meaning": {"kind": "embeddings", "url": found[0], "models": [meaning]},
        "speech": {"kind": "transcriptions", "url": found[0], "models": [speech]},
    }


@pytest.fixture(scope="session")
def gateway(servers: Servers, models: Path) -> str:
    """The URL of a gateway beside a worker that can train."""
    return listening(
        servers,
        "stack",
        "cogflow-worker --dev --gpu none",
        {},
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
