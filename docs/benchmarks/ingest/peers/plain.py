"""A plain loop: one call after the other, and one file at the end."""

import json

import httpx
from shared import URL, WORK, body, caption, extract

captions = {}
with httpx.Client(timeout=60) as client:
    for path in extract():
        captions[path] = caption(
            client.post(f"{URL}/v1/chat/completions", json=body(path))
        )
(WORK / "captions.json").write_text(json.dumps(captions))
