"""Jobs of a real worker, by the client with an event loop."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

from cogflow_client import AsyncClient


def clip(path: Path, seconds: int) -> Path:
    """A film with words in it; another length is another film."""
    words = "drawtext=text='BLUE HARBOUR':fontsize=48:fontcolor=white:box=1:boxcolor=black:x=40"
    source = ["-f", "lavfi", "-i", f"testsrc2=s=640x360:r=10:d={seconds}", "-vf", words]
    subprocess.run(["ffmpeg", "-v", "error", *source, str(path)], check=True)
    return path


async def work(url: str, film: Path, to: Path) -> None:
    common: dict[str, Any] = {"epochs": 1, "batch_size": 4, "min_rows": 10, "max_seq_length": 64}
    pairs = [{"prompt": f"{i}?", "chosen": "yes", "rejected": "no"} for i in range(24)]
    triplets = [
        {"anchor": f"tram {i}", "positive": f"streetcar {i}", "negative": f"cake {i}"}
        for i in range(24)
    ]
    async with AsyncClient(url) as client:
        dpo = await client.train_dpo(
            name="dpo", base_model="tiny/llama", dataset={"rows": pairs}, dpo_config=common
        )
        embedding = await client.train_embedding(
            name="embedding",
            base_model="tiny/encoder",
            dataset={"rows": triplets},
            embedding_config=common,
        )
        uploaded = await client.upload(film)
        video = await client.ingest_video(uri=uploaded["uri"])
        assert (await video.result())["status"] == "indexed"
        states = [state["state"] async for state in video.events()]
        assert states[-1] == "completed"
        assert (await client.search(query="harbour"))["hits"]
        for job, config in ((dpo, "adapter_config.json"), (embedding, "adapter_config.json")):
            result = await job.result()
            assert result["status"] == "trained" and result["metrics"], result
            folder = await job.download(to / job.id)
            assert (folder / config).exists(), sorted(f.name for f in folder.rglob("*"))


def test_train_and_ingest(gateway: str, tmp_path: Path) -> None:
    asyncio.run(work(gateway, clip(tmp_path / "film.mp4", 2), tmp_path / "adapters"))
