"""Cogniverse's modal_runner on cogflow: the same classes, arguments and results.

Replace the content of cogniverse_finetuning/training/modal_runner.py by this line:

    from cogflow_client.modal_runner import *

A call that is made again attaches to its training run: the run goes on without its caller.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _scalars
from .async_client import AsyncClient

__all__ = ["ModalJobConfig", "ModalJobResult", "ModalTrainingRunner"]


@dataclass
class ModalJobConfig:
    """What a run is to have. cogflow's workers decide about their processors and memory."""

    gpu: str = "A10G"  # a GPU class of the workers, in upper or lower case, or "cpu"
    gpu_count: int = 1
    cpu: int = 4
    memory: int = 16384  # MB
    timeout: int = 3600  # seconds of training; then the best so far is the result


@dataclass
class ModalJobResult:
    """The result of a run. adapter_path is a local directory."""

    job_id: str
    adapter_path: str
    metrics: dict[str, Any]
    logs_url: str | None = None


# Inputs have at most 256 KiB of rows; larger data sets are uploaded.
_INLINE = 128 << 10


class ModalTrainingRunner:
    """Trains on cogflow's workers, and brings the adapter here.

    client makes the client of the gateway; by default its URL and key are those of COGFLOW_URL and
    COGFLOW_API_KEY.
    """

    def __init__(
        self, config: ModalJobConfig, *, client: Callable[[], AsyncClient] = AsyncClient
    ) -> None:
        self.config = config
        self._client = client

    async def run_sft(
        self,
        dataset: list[dict[str, Any]],
        base_model: str,
        output_dir: str,
        sft_config: dict[str, Any],
    ) -> ModalJobResult:
        """Fine-tune a model on {"text"} rows, or on any other rows of TrainSFT."""
        facts = {"total_examples": len(dataset), "epochs": sft_config.get("epochs", 3)}
        return await self._run(
            "TrainSFT", "sft_config", dataset, base_model, output_dir, sft_config, facts
        )

    async def run_dpo(
        self,
        dataset: list[dict[str, Any]],
        base_model: str,
        output_dir: str,
        dpo_config: dict[str, Any],
    ) -> ModalJobResult:
        """Train a model on {"prompt", "chosen", "rejected"} rows."""
        facts = {
            "total_pairs": len(dataset),
            "epochs": dpo_config.get("epochs", 3),
            "beta": dpo_config.get("beta", 0.1),
        }
        return await self._run(
            "TrainDPO", "dpo_config", dataset, base_model, output_dir, dpo_config, facts
        )

    async def run_embedding(
        self,
        dataset: list[dict[str, Any]],
        base_model: str,
        output_dir: str,
        embedding_config: dict[str, Any],
    ) -> ModalJobResult:
        """Train an embedding model on {"anchor", "positive", "negative"} rows."""
        facts = {
            "total_triplets": len(dataset),
            "epochs": embedding_config.get("epochs", 3),
            "triplet_margin": embedding_config.get("triplet_margin", 0.5),
        }
        return await self._run(
            "TrainEmbedding",
            "embedding_config",
            dataset,
            base_model,
            output_dir,
            embedding_config,
            facts,
        )

    async def _run(
        self,
        kind: str,
        config_name: str,
        dataset: list[dict[str, Any]],
        base_model: str,
        output_dir: str,
        config: dict[str, Any],
        facts: dict[str, Any],
    ) -> ModalJobResult:
        job: dict[str, Any] = {"base_model": base_model, config_name: config, **placed(self.config)}
        rows = [json.dumps(row, ensure_ascii=False) for row in dataset]
        async with self._client() as client:
            if sum(map(len, rows)) <= _INLINE:
                job["dataset"] = {"rows": dataset}
            else:
                content = "".join(row + "\n" for row in rows).encode()
                uploaded = await client.upload(content, name="dataset.jsonl")
                job["dataset"] = {"uri": uploaded["uri"]}
            run = await client.start(kind, job)
            result = await run.result()
            to = Path(output_dir) / "adapter"
            await run.download(to, replace=True)
        if kind != "TrainEmbedding":  # Cogniverse reports none for these
            facts = {"train_loss": _scalars.mean(to / "tensorboard", "train/loss"), **facts}
        return ModalJobResult(
            job_id=run.id,
            adapter_path=os.fspath(to),
            metrics={**result.get("metrics", {}), **facts},
            logs_url=run.started["ui"] if run.started else None,
        )


def placed(config: ModalJobConfig) -> dict[str, Any]:
    """The fields of an input for a ModalJobConfig. What cogflow cannot do is an error."""
    gpu, _, count = config.gpu.partition(":")
    if config.gpu_count != 1 or count not in ("", "1"):
        raise ValueError(
            f"gpu={config.gpu!r} with gpu_count={config.gpu_count}: a cogflow run has one GPU; "
            "set gpu_count=1, and name a class with enough memory, such as H100"
        )
    defaults = ModalJobConfig()
    for name in ("cpu", "memory"):
        if getattr(config, name) != getattr(defaults, name):
            raise ValueError(
                f"{name}={getattr(config, name)}: the processors and the memory of a run are those "
                f"of its worker; leave {name} out, and name a GPU class of larger workers in gpu"
            )
    if not gpu:
        raise ValueError('gpu is empty: name a GPU class of your workers, such as A10G, or "cpu"')
    if config.timeout <= 0:
        raise ValueError(f"timeout={config.timeout}: set the seconds of training, at least 1")
    return {"gpu": [gpu.lower()], "timeout": f"{config.timeout}s"}
