"""Prefect: one task for each frame, with retries, a stored result and a cache by its input, as the
documentation recommends for work that must not be repeated."""

import json

import httpx
from prefect import flow, task, unmapped
from prefect.cache_policies import INPUTS
from prefect.task_runners import ThreadPoolTaskRunner
from shared import SLOTS, URL, WORK, body, caption, extract


@task(retries=3, persist_result=True, cache_policy=INPUTS - "client")
def describe(path: str, client: httpx.Client) -> str:
    return caption(client.post(f"{URL}/v1/chat/completions", json=body(path)))


@flow(task_runner=ThreadPoolTaskRunner(max_workers=SLOTS))
def ingest() -> None:
    frames = extract()
    with httpx.Client(timeout=60) as client:
        captions = describe.map(frames, unmapped(client)).result()
    (WORK / "captions.json").write_text(
        json.dumps(dict(zip(frames, captions, strict=True)))
    )


if __name__ == "__main__":
    ingest()
