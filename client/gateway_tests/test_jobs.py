"""Jobs of a real worker, by the client with an event loop."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
from stack import eventually

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


def test_cogniverse_ingestion(gateway: str, tmp_path: Path) -> None:
    """The calls of Cogniverse's dashboard for a folder, and of its command line for a file."""
    (tmp_path / "folder/more").mkdir(parents=True)
    clip(tmp_path / "folder/a.mp4", 3)
    clip(tmp_path / "folder/more/b.mp4", 4)
    with httpx.Client(base_url=gateway, timeout=120) as http:
        asked = {"video_dir": str(tmp_path / "folder"), "profile": "default", "backend": "vespa"}
        asked |= {"tenant_id": "default", "org_id": None, "max_videos": None, "batch_size": 10}
        begun = http.post("/ingestion/start", json=asked).json()
        assert begun["status"] == "started", begun

        def ended() -> dict[str, Any] | None:
            counts: dict[str, Any] = http.get("/ingestion/status/" + begun["job_id"]).json()
            return counts if counts["status"] in ("completed", "failed") else None

        done = {"job_id": begun["job_id"], "status": "completed", "errors": []}
        assert eventually("the folder", ended) == done | {"videos_processed": 2, "videos_total": 2}

        with clip(tmp_path / "c.mp4", 5).open("rb") as film:
            sent = http.post("/ingestion/upload", files={"file": film}).json()
        with http.stream("GET", f"/ingestion/{sent['ingest_id']}/events") as stream:
            data = [line[6:] for line in stream.iter_lines() if line.startswith("data: ")]
        assert json.loads(data[-1])["state"] == "complete", data
