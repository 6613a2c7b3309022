"""The replacement of Cogniverse's modal_runner, called as Cogniverse calls it."""

from __future__ import annotations

import asyncio
import json
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from server import Got, Say, Server
from test_uploads import CONTENT, SHA, adapter

from cogflow_client.modal_runner import ModalJobConfig, ModalJobResult, ModalTrainingRunner

ROWS = [{"text": f"### Instruction:\n{i}\n\n### Response:\n{i}", "metadata": {}} for i in range(3)]
STARTED = {
    "id": "j",
    "run_id": "r",
    "type": "t",
    "state": "running",
    "ui": "http://ui",
    "attached": False,
}


def record(tag: str, value: float) -> bytes:
    """One record of an event file, with checksums that are not read."""
    scalar = bytes([10, len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
    summary = bytes([10, len(scalar)]) + scalar
    event = b"\x09" + bytes(8) + b"\x10\x96\x01" + bytes([42, len(summary)]) + summary
    return struct.pack("<Q", len(event)) + bytes(4) + event + bytes(4)


SCALARS = record("train/loss", 2.0) + record("train/epoch", 9.0) + record("train/loss", 1.0)


@pytest.fixture
def gateway(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("COGFLOW_URL", server.url)

    def answer(got: Got) -> Say:
        if got.path == "/uploads":
            return Say({"complete": True, "offset": 1, "uri": "upload://x/dataset.jsonl"}, 201)
        if got.method == "POST":
            return Say(STARTED, 202)
        if "/result" in got.path:
            metrics = {"loss": 2.0}
            return Say({"adapter": "support", "version": 2, "metrics": metrics})
        if got.path == "/adapters/support/2":
            one = {"name": "sub/w.bin", "size": len(CONTENT), "sha256": SHA}
            name = "tensorboard/events.out.tfevents.1.x"
            scalars = {"name": name, "size": len(SCALARS), "sha256": sha256(SCALARS).hexdigest()}
            return Say({"name": "support", "version": 2, "files": [one, scalars]})
        return Say(SCALARS) if "tensorboard" in got.path else adapter(got)

    server.answer = answer
    return server


def run(method: str, config_name: str, tmp_path: Path, dataset: Any, config: Any) -> ModalJobResult:
    # As RemoteTrainingBackend makes it.
    job = ModalJobConfig(gpu="A10G", gpu_count=1, cpu=4, memory=16384, timeout=3600)
    call = getattr(ModalTrainingRunner(job), method)
    out: ModalJobResult = asyncio.run(
        call(dataset=dataset, base_model="m", output_dir=str(tmp_path), **{config_name: config})
    )
    return out


def test_sft(gateway: Server, tmp_path: Path) -> None:
    got = run("run_sft", "sft_config", tmp_path, ROWS, {"epochs": 1, "use_lora": True})
    assert got.job_id == "j" and got.logs_url == "http://ui"
    assert got.adapter_path == str(tmp_path / "adapter")
    assert (tmp_path / "adapter" / "sub" / "w.bin").read_bytes() == CONTENT
    assert got.metrics == {"train_loss": 1.5, "loss": 2.0, "total_examples": 3, "epochs": 1}
    start = gateway.got[0]
    assert start.path == "/jobs/train-sft"
    assert start.json == {
        "base_model": "m",
        "sft_config": {"epochs": 1, "use_lora": True},
        "dataset": {"rows": ROWS},
        "gpu": ["a10g"],
        "timeout": "3600s",
    }
    # The same call again is the same job, and replaces its directory.
    run("run_sft", "sft_config", tmp_path, ROWS, {"epochs": 1, "use_lora": True})
    assert [g.body for g in gateway.got if g.method == "POST"] == [start.body, start.body]


def test_dpo_and_embedding(gateway: Server, tmp_path: Path) -> None:
    got = run("run_dpo", "dpo_config", tmp_path, [{"prompt": "a"}] * 2, {"beta": 0.2})
    assert got.metrics.items() >= {"total_pairs": 2, "epochs": 3, "beta": 0.2}.items()
    assert gateway.got[0].path == "/jobs/train-dpo" and "dpo_config" in gateway.got[0].json
    gateway.got.clear()
    got = run("run_embedding", "embedding_config", tmp_path, [{"anchor": "a"}], {})
    assert got.metrics.items() >= {"total_triplets": 1, "triplet_margin": 0.5}.items()
    assert gateway.got[0].path == "/jobs/train-embedding"


def test_large_data_is_uploaded(gateway: Server, tmp_path: Path) -> None:
    rows = [{"text": "ü" * 1000}] * 200
    run("run_sft", "sft_config", tmp_path, rows, {})
    assert gateway.got[0].json["name"] == "dataset.jsonl"
    assert gateway.got[0].json["size"] == sum(
        len(json.dumps(r, ensure_ascii=False).encode()) + 1 for r in rows
    )
    assert gateway.got[1].json["dataset"] == {"uri": "upload://x/dataset.jsonl"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ModalJobConfig(gpu_count=2), "set gpu_count=1"),
        (ModalJobConfig(gpu="H100:4"), "a cogflow run has one GPU"),
        (ModalJobConfig(cpu=8), "cpu=8: .* leave cpu out"),
        (ModalJobConfig(memory=65536), "leave memory out"),
        (ModalJobConfig(gpu=""), "name a GPU class"),
        (ModalJobConfig(timeout=0), "set the seconds"),
    ],
)
def test_what_cannot_be_done_is_an_error(
    gateway: Server, tmp_path: Path, config: ModalJobConfig, message: str
) -> None:
    runner = ModalTrainingRunner(config)
    with pytest.raises(ValueError, match=message):
        asyncio.run(runner.run_sft(ROWS, "m", str(tmp_path), {}))
    assert not gateway.got
