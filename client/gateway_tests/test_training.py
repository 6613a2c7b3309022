"""A program trains a model through the gateway, is killed in the middle, and is run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from stack import SOURCE, Servers, eventually

from cogflow_client import Client


def start(gateway: str, to: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "COGFLOW_URL": gateway, "PYTHONPATH": str(SOURCE)}
    program = Path(__file__).with_name("cogniverse.py")
    return subprocess.Popen(
        [sys.executable, str(program), str(to)], env=env, stdout=subprocess.PIPE, text=True
    )


def test_killed_and_called_again(gateway: str, servers: Servers, tmp_path: Path) -> None:
    log = servers.folder / "stack.log"

    def attached() -> int:
        return log.read_text().count('"attached":true')

    with Client(gateway) as client:
        others = {job["id"] for job in client.jobs(type="train-sft")}
        program = start(gateway, tmp_path / "first")

        def started() -> list[str]:
            return [j["id"] for j in client.jobs(type="train-sft") if j["id"] not in others]

        def training() -> Any:
            assert program.poll() is None, "the program ended before it was killed"
            running = started()
            progress = client.job(running[0]).status().get("progress") if running else None
            return running[0] if progress and progress.get("stage") == "train" else None

        job = client.job(eventually("training", training))
        job.pause()  # so that it cannot end before the second call
        program.kill()
        program.wait()
        assert not (tmp_path / "first" / "adapter").exists()
        paused = next(e for e in job.events() if (e.get("progress") or {}).get("paused"))
        assert paused["state"] == "running"

        before = attached()
        with start(gateway, tmp_path / "again") as program:
            eventually("attached", lambda: attached() > before or None, log)
            job.resume()
            out, _ = program.communicate(timeout=900)
        assert program.returncode == 0
        result = json.loads(out)
        assert result["job_id"] == job.id, "it attached to the job"
        assert started() == [job.id]
        adapter = Path(result["adapter_path"])
        assert adapter == tmp_path / "again" / "adapter"
        assert {"adapter_config.json", "adapter_model.safetensors"} <= {
            f.name for f in adapter.iterdir()
        }
        metrics = result["metrics"]
        assert metrics["total_examples"] == 44 and metrics["epochs"] == 3
        assert metrics["train_loss"] > 0 and result["logs_url"]
        assert job.wait()["state"] == "completed"
        assert b"<html" in job.report()

        # A third call, after the end, trains nothing, and returns the same adapter.
        with start(gateway, tmp_path / "third") as program:
            out, _ = program.communicate(timeout=900)
        assert program.returncode == 0
        weights = "adapter/adapter_model.safetensors"
        assert (tmp_path / "third" / weights).read_bytes() == (
            tmp_path / "again" / weights
        ).read_bytes()
        assert job.result()["status"] == "unchanged"
        listed = client.list_adapters()["adapters"]
        assert [a["version"] for a in listed if a["name"] == "sft-llama"] == [1]
