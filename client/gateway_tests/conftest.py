"""A real gateway, worker and Temporal server, and small models that compute on the CPU.

`make test-client` builds and runs this. COGFLOW_BIN is the folder of the programs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
BIN = Path(os.environ.get("COGFLOW_BIN", ROOT / "bin"))
SOURCE = ROOT / "client" / "src"
LIMIT = 600.0  # seconds until a server must be there


def python_env(**more: str) -> dict[str, str]:
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    return {**os.environ, **quiet, "PYTHONDONTWRITEBYTECODE": "1", **more}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def eventually(what: str, check: Callable[[], Any], log: Path | None = None) -> Any:
    """Ask until the answer is not None."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        try:
            if (found := check()) is not None:
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"{what} did not come in {LIMIT:g} s\n{log.read_text()[-6000:] if log else ''}")


class Servers:
    """Processes that end with the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, command: list[str], env: dict[str, str]) -> Path:
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            self.running.append(
                subprocess.Popen(command, cwd=self.folder, env=env, stdout=out, stderr=out)
            )
        return log

    def stop(self) -> None:
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(60)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    s = Servers(tmp_path_factory.mktemp("stack"))
    yield s
    s.stop()


@pytest.fixture(scope="session")
def models(servers: Servers) -> Path:
    """A folder with the base model tiny/llama, of random weights."""
    folder = servers.folder / "models"
    subprocess.run(
        [ROOT / "trainer/.venv/bin/python", "-m", "trainer.tiny", "llama", folder / "tiny/llama"],
        env=python_env(PYTHONPATH=str(ROOT / "trainer/src")),
        check=True,
        capture_output=True,
    )
    return folder


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


LISTENERS = {"main": {"address": "127.0.0.1:0", "tenant": "default"}}


def listening(servers: Servers, name: str, program: str, section: Any, **env: str) -> str:
    """Start a program with a gateway, and wait until that answers; the result is its URL."""
    config = servers.folder / f"{name}.json"
    config.write_text(json.dumps({"cogflow": {"gateway": {"listeners": LISTENERS}, **section}}))
    log = servers.start(
        name,
        [str(BIN / program.split()[0]), *program.split()[1:]],
        {**os.environ, "COGNIVERSE_CONFIG": str(config), "COGFLOW_TELEMETRY": "off", **env},
    )
    pattern = re.compile(r'"listener":"main","address":"([^"]+)"')
    found = eventually("the gateway", lambda: pattern.search(log.read_text()), log)
    url = f"http://{found[1]}"
    eventually("the gateway", lambda: httpx.get(url + "/readyz").is_success or None, log)
    return url


@pytest.fixture(scope="session")
def gateway(servers: Servers, models: Path) -> str:
    """The URL of a gateway beside a worker that can train."""
    return listening(
        servers,
        "stack",
        "cogflow-worker --dev --gpu none",
        {},
        COGFLOW_PORT=str(free_port()),
        COGFLOW_UI_PORT=str(free_port()),
        COGFLOW_TRAINING_MODELS_DIR=str(models),
        COGFLOW_TRAINING_TRAINER_DIR=str(ROOT / "trainer"),
        COGFLOW_TESSERACT="none",
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
