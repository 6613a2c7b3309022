"""Real programs in processes: a gateway, a worker, a Temporal server, servers of models.

COGFLOW_BIN is the folder of the programs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

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
    raise AssertionError(
        f"{what} did not come in {LIMIT:g} s\n{log.read_text()[-6000:] if log else ''}"
    )


class Servers:
    """Processes that end with the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def start(self, name: str, command: list[str], env: dict[str, str]) -> Path:
        with self.log(name).open("wb") as out:
            self.running[name] = subprocess.Popen(
                command, cwd=self.folder, env=env, stdout=out, stderr=out
            )
        return self.log(name)

    def eventually(self, name: str, check: Callable[[], Any]) -> Any:
        """Ask until the answer of a process is not None. One that has ended gives none."""

        def alive() -> Any:
            code = self.running[name].poll()
            assert code is None, f"{name} ended with {code}\n{self.log(name).read_text()[-6000:]}"
            return check()

        return eventually(name, alive, self.log(name))

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            process.wait(60)


LISTENERS = {"main": {"address": "127.0.0.1:0", "tenant": "default"}}


def listening(servers: Servers, name: str, program: str, section: Any, **env: str) -> str:
    """Start a program with a gateway, and wait until that answers; the result is its URL."""
    config = servers.folder / f"{name}.json"
    config.write_text(json.dumps({"cogflow": {"gateway": {"listeners": LISTENERS}, **section}}))
    servers.start(
        name,
        [str(BIN / program.split()[0]), *program.split()[1:]],
        {**os.environ, "COGNIVERSE_CONFIG": str(config), "COGFLOW_TELEMETRY": "off", **env},
    )
    url = listener(servers, name, "main")
    servers.eventually(name, lambda: httpx.get(url + "/readyz").is_success or None)
    return url


def listener(servers: Servers, name: str, of: str) -> str:
    """The URL of a listener of a program that was started."""
    log = servers.log(name)
    pattern = re.compile(rf'"listener":"{of}","address":"([^"]+)"')
    return "http://" + servers.eventually(name, lambda: pattern.search(log.read_text()))[1]


def served(servers: Servers, name: str, *command: str) -> tuple[str, Callable[[], None]]:
    """Start a model server in Python; the results are its URL, and what waits until it answers."""
    port = free_port()
    python = str(ROOT / "embedder/.venv/bin/python")
    at = ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    env = python_env(PYTHONPATH=str(ROOT / "embedder/src"))
    servers.start(name, [python, *command, *at], env)
    url = f"http://127.0.0.1:{port}"
    return url, lambda: servers.eventually(
        name, lambda: httpx.get(url + "/health").is_success or None
    )


def tiny(folder: Path, *kinds: str) -> Path:
    """A folder with base models of random weights, such as tiny/llama."""
    for kind in kinds:
        make(kind, folder / "tiny" / kind)
    return folder


def make(kind: str, to: Path, *options: str) -> None:
    subprocess.run(
        [ROOT / "trainer/.venv/bin/python", "-m", "trainer.tiny", kind, to, *options],
        env=python_env(PYTHONPATH=str(ROOT / "trainer/src")),
        check=True,
        capture_output=True,
    )


def answering(to: Path) -> Path:
    """A model that has learned to answer prompts of the program of halls.py, not always rightly."""
    to.mkdir(parents=True)
    with (to / "chats.jsonl").open("wb") as chats:
        subprocess.run(
            [ROOT / "prompt/conformance/.venv/bin/python", Path(__file__).with_name("halls.py")],
            env=python_env(DSPY_CACHEDIR=str(to.parent)),
            check=True,
            stdout=chats,
        )
    make("llama", to, "--chats", str(to / "chats.jsonl"), "--train-steps", "200")
    return to


def ending(model: Path, to: Path) -> Path:
    """A copy of a model whose texts end soon: random weights seldom choose the end."""
    shutil.copytree(model, to)
    file = to / "generation_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "exponential_decay_length_penalty": [12, 2.0]}))
    return to


def colidefics3(to: Path) -> Path:
    """A folder with a model of late interaction, of random weights."""
    subprocess.run(
        [
            *(str(ROOT / "embedder/.venv/bin/python"), "-c"),
            *("import sys; from conftest import build; build(sys.argv[1])", str(to)),
        ],
        env=python_env(PYTHONPATH=f"{ROOT / 'embedder/src'}:{ROOT / 'embedder/tests'}"),
        check=True,
        capture_output=True,
    )
    return to


def worker_env(models: Path) -> dict[str, str]:
    """The environment of a worker with a Temporal server of its own, which can train."""
    return {
        "COGFLOW_PORT": str(free_port()),
        "COGFLOW_UI_PORT": str(free_port()),
        "COGFLOW_TRAINING_MODELS_DIR": str(models),
        "COGFLOW_TRAINING_TRAINER_DIR": str(ROOT / "trainer"),
        "COGFLOW_TESSERACT": "none",
    }


def say(to: Path, text: str) -> None:
    """Speak a text, by the voice of the small models."""
    subprocess.run(
        [ROOT / "embedder/small/.venv/bin/python", "-m", "embedder.small.say", text, to],
        env=python_env(PYTHONPATH=str(ROOT / "embedder/src")),
        check=True,
        capture_output=True,
    )
