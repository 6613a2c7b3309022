"""Ray Data with a checkpoint: rows that were written are left out by the next start."""

import asyncio

import pyarrow
import pyarrow.parquet
import ray
from ray.data import DataContext
from ray.data.checkpoint import CheckpointConfig
from shared import SLOTS, URL, WORK, body, caption, extract


class Captions:
    """An actor that keeps all slots busy; Ray gives it several batches at once."""

    def __init__(self):
        import httpx

        self.slots = asyncio.Semaphore(SLOTS)
        self.client = httpx.AsyncClient(timeout=60)

    async def __call__(self, batch):
        async def one(path):
            async with self.slots:
                request = self.client.post(
                    f"{URL}/v1/chat/completions", json=body(path)
                )
                return caption(await request)

        answers = await asyncio.gather(*(one(path) for path in batch["path"]))
        yield {"path": list(batch["path"]), "caption": list(answers)}


if __name__ == "__main__":
    frames = extract()
    manifest = WORK / "manifest"
    if not manifest.exists():  # several files, so that there are several blocks
        manifest.mkdir()
        for i in range(0, len(frames), 32):
            table = pyarrow.table({"path": frames[i : i + 32]})
            pyarrow.parquet.write_table(table, manifest / f"{i:05d}.parquet")
    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.checkpoint_config = CheckpointConfig(
        id_column="path",
        checkpoint_path=str(WORK / "checkpoint"),
        delete_checkpoint_on_success=False,
    )
    (
        ray.data.read_parquet(str(manifest), override_num_blocks=-(-len(frames) // 32))
        .map_batches(Captions, batch_size=SLOTS, concurrency=1)
        .write_parquet(str(WORK / "captions"))
    )
