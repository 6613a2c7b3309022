"""asyncio as a careful programmer writes it: a semaphore, and a line of JSON on disk for each
answer, so that a second start asks only for what is missing."""

import asyncio
import json
import os

import httpx
from shared import SLOTS, URL, WORK, body, caption, extract

DONE = WORK / "captions.jsonl"


def finished() -> set[str]:
    """The frames with an answer. The last line may be cut; it is removed."""
    if not DONE.exists():
        return set()
    whole = DONE.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    os.truncate(DONE, len(whole))
    return {json.loads(line)["path"] for line in whole.splitlines()}


async def main() -> None:
    missing = sorted(set(extract()) - finished())
    slots = asyncio.Semaphore(SLOTS)
    limits = httpx.Limits(max_connections=SLOTS)
    with DONE.open("a") as out:
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:

            async def one(path: str) -> None:
                async with slots:
                    response = await client.post(
                        f"{URL}/v1/chat/completions", json=body(path)
                    )
                out.write(
                    json.dumps({"path": path, "caption": caption(response)}) + "\n"
                )
                out.flush()
                os.fsync(out.fileno())

            await asyncio.gather(*(one(path) for path in missing))


asyncio.run(main())
