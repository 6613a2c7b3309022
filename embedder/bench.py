"""How much of the bare model's speed the server keeps: python bench.py [tiny|mid|DIR] [frames]

Frames per second through HTTP, from encoded pictures to vectors, over those of
the model alone on decoded pictures in batches of the same size. Both alternate
in one run, and the medians are compared; a run that shares its machine is only
good for the ratio. DIR is a folder of a merged ColIdefics3. The goal is 0.95.
"""

import base64
import http.client
import io
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import uvicorn
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "tests"))
from conftest import build

from embedder import models, pictures
from embedder.server import create

BATCH, ROUNDS, SIDE = 8, 5, 256
MID = {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8}


def noise(n: int) -> list[str]:
    """Smooth random JPEGs, each another, as data URIs."""
    random = np.random.default_rng(1)
    uris = []
    for _ in range(n):
        small = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(small).resize((SIDE, SIDE)).save(out, "JPEG")
        uris.append("data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode())
    return uris


def serve(encoder) -> str:
    """Start the server in a thread; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = create(encoder, "bench", "1")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"127.0.0.1:{port}"


def ask(url: str, bodies: list[bytes]) -> None:
    """Send each request, twice a batch at once. It runs in a process of its own."""
    local = threading.local()

    def one(body: bytes) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(url, timeout=600)
        local.connection.request("POST", "/pooling", body)
        answer = local.connection.getresponse()
        if not answer.read() or answer.status != 200:
            raise RuntimeError(f"the server answered {answer.status}")

    with ThreadPoolExecutor(2 * BATCH) as pool:
        list(pool.map(one, bodies))


def request(uri: str) -> bytes:
    """A request for one picture, as the Go client writes it."""
    part = {"type": "image_url", "image_url": {"url": uri}}
    body = {"messages": [{"role": "user", "content": [part]}], "encoding_format": "base64"}
    return json.dumps({**body, "task": "token_embed"}).encode()


def seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    size = sys.argv[1] if len(sys.argv) > 1 else "tiny"
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    with tempfile.TemporaryDirectory() as folder:
        if size in ("tiny", "mid"):
            build(folder, **(MID if size == "mid" else {}))
        else:
            folder = size
        encoder = models.load(folder, "1", merged=True)
    uris = noise(frames)
    decoded = [pictures.read(u) for u in uris]
    bodies = [request(u) for u in uris]
    url = serve(encoder)

    def bare() -> None:
        for i in range(0, frames, BATCH):
            encoder("picture", decoded[i : i + BATCH])

    with ProcessPoolExecutor(1, get_context("spawn")) as client:

        def served() -> None:
            client.submit(ask, url, bodies).result()

        bare(), served()  # warm-up
        rounds = [(seconds(bare), seconds(served)) for _ in range(ROUNDS)]
    model, server = (frames / statistics.median(r) for r in zip(*rounds, strict=True))
    print(f"{size}: model {model:.1f} frames/s, server {server:.1f}, ratio {server / model:.2f}")


if __name__ == "__main__":
    main()
