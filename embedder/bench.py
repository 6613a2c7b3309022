"""Speed of picture embedding beside the network alone: python bench.py [BATCHES]

A random ColIdefics3 of colSmol-500M's published shape (a tiny one without a GPU) embeds
pictures of 1280x720 in batches of 8 as the server does: processor, network, vectors on the
host. "network" is the forward pass alone on inputs that are on the device already: what no
server can be faster than. One line of JSON.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

ROOT = Path(__file__).parent
BATCH = 8
PUBLISHED = {
    "vision": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 512,
        "patch_size": 16,
    },
    "text": {
        "hidden_size": 960,
        "intermediate_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
        "vocab_size": 49280,
        "max_position_embeddings": 8192,
    },
    "scale_factor": 4,
    "image_seq_len": 64,
    "longest_edge": 2048,
}


def main(batches: str = "6") -> None:
    from conftest import TINY, build

    from embedder.idefics3 import load

    gpu = torch.cuda.is_available()
    device, dtype = ("cuda", "bfloat16") if gpu else ("cpu", "float32")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build(folder, PUBLISHED if gpu else TINY)
        encoder = load("bench", folder, None).to(device, dtype)
    r = random.Random(1)
    pictures = [
        Image.frombytes("RGB", (1280, 720), r.randbytes(1280 * 720 * 3)) for _ in range(BATCH)
    ]
    rows = encoder("picture", pictures)  # a warm-up
    inputs = prepared(encoder, pictures)
    whole = rate(lambda: encoder("picture", pictures), int(batches), gpu)
    network = rate(lambda: forward(encoder, inputs), int(batches), gpu)
    print(
        json.dumps(
            {
                "device": device,
                "dtype": dtype,
                "vectors_a_picture": len(rows[0]),
                "pictures_per_second": round(whole, 2),
                "network_pictures_per_second": round(network, 2),
                "share_of_network": round(whole / network, 3),
                "peak_bytes": torch.cuda.max_memory_reserved() if gpu else 0,
            }
        )
    )


def prepared(encoder, pictures: list) -> dict:
    text, images = [encoder.prompt] * len(pictures), [[p] for p in pictures]
    batch = encoder.processor(text=text, images=images, padding=True, return_tensors="pt")
    wanted = ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask")
    return encoder.inputs(batch, wanted)


@torch.inference_mode()
def forward(encoder, inputs: dict) -> None:
    encoder.network(**inputs)


def rate(run, batches: int, gpu: bool) -> float:
    """Pictures a second."""
    run()
    if gpu:
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(batches):
        run()
    if gpu:
        torch.cuda.synchronize()
    return batches * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    main(*sys.argv[1:])
