"""The page docs/how-to/python-client.md: what it installs, its program, and the names in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from stack import ROOT, eventually, python_env
from test_jobs import clip

import cogflow_client
from cogflow_client import Client

PAGE = ROOT / "docs/how-to/python-client.md"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `pip install ./client` installs, without the packages that it requires."""
    to = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(to)]
    subprocess.run(build, cwd=ROOT / "client", check=True, capture_output=True)
    (wheel,) = to.glob("*.whl")
    with zipfile.ZipFile(wheel) as z:
        z.extractall(to / "packages")
    return to / "packages"


def read(
    page: Path, gateway: str, model: str, installed: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run the blocks of a page in a folder, with what a reader replaces. DSPy is installed."""
    replaced = {"http://127.0.0.1:8090": gateway, "/data/rows.jsonl": str(folder / "rows.jsonl")}
    replaced['lm("qwen"'] = f"lm({model!r}"
    python = ROOT / "prompt/conformance/.venv/bin/python"
    return subprocess.run(
        [python, Path(__file__).with_name("document.py"), page, json.dumps(replaced)],
        cwd=folder,
        env=python_env(
            PYTHONPATH=str(installed),
            COGFLOW_URL=gateway,
            DSPY_CACHEDIR=str(folder),
            LITELLM_LOCAL_MODEL_COST_MAP="True",
        ),
        capture_output=True,
        text=True,
    )


def test_python_client(
    gateway: str, endpoints: dict[str, Any], installed: Path, tmp_path: Path
) -> None:
    rows = [{"text": f"### Instruction:\nHall {i}?\n\n### Response:\n{i}."} for i in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    pairs = [{"prompt": f"{i}?", "chosen": "yes", "rejected": "no"} for i in range(20)]
    with Client(gateway) as client:
        # A reader has videos, and a job that runs: this one waits for a GPU.
        film = clip(tmp_path / "a red tram.mp4", 4)
        assert client.ingest_video(uri=str(film)).result()["status"] == "indexed"
        waits: Any = {"base_model": "tiny/llama", "dataset": {"rows": pairs}, "gpu": ["h100"]}
        job = client.train_dpo(name="page", **waits)
        eventually("listed", lambda: job.id in [j["id"] for j in client.jobs()] or None)
        model = endpoints["chat"]["models"][0]
        done = read(PAGE, gateway, model, installed, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == f"{PAGE.read_text().count('```python')} blocks"
        assert (tmp_path / "adapters/support/adapter_config.json").exists()
        assert job.wait()["state"] == "cancelled"
        for started in client.jobs(state="running"):  # the page does not wait for its last one
            client.job(started["id"]).cancel()

        # A block that is wrong makes this test fail, with the line of the page.
        broken, line = tmp_path / "broken.md", 'client.search(query="a red tram", limit=5)'
        assert line in PAGE.read_text()
        broken.write_text(PAGE.read_text().replace("client.search(query=", "client.search(words="))
        folder = tmp_path / "broken"
        folder.mkdir()
        (tmp_path / "rows.jsonl").rename(folder / "rows.jsonl")
        done = read(broken, gateway, model, installed, folder)
        assert done.returncode != 0
        number = PAGE.read_text()[: PAGE.read_text().index(line)].count("\n") + 1
        assert f'broken.md", line {number}' in done.stderr, done.stderr


def test_names() -> None:
    """The page names what the package has."""
    text = PAGE.read_text()
    errors = set(re.findall(r"`(\w+Error)s?`", text))
    assert errors and errors <= set(cogflow_client.__all__), errors
    methods = re.search(r"Each workflow type has a method: (.*?)\.", text)
    assert methods
    for name in re.findall(r"`(\w+)`", methods[1]):
        assert hasattr(Client, name), name
