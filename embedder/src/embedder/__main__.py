"""python -m embedder --model ID_OR_DIR --revision SHA --port N"""

import argparse
import sys

import torch
import uvicorn

from .encoder import Refused
from .models import load
from .server import create


def main() -> int:
    p = argparse.ArgumentParser("embedder", description=__doc__)
    p.add_argument("--model", required=True, help="Hugging Face id or folder")
    p.add_argument("--revision", required=True, help="commit of the model; never a moving branch")
    p.add_argument("--base", default="", help="folder or id of an adapter's base model")
    p.add_argument("--base-revision", default="", help="its commit")
    p.add_argument("--merged", action="store_true", help="the adapter is merged into the weights")
    p.add_argument("--pool-frames", type=int, default=1, help="VideoPrism: frames of one mean")
    p.add_argument("--name", default="", help="what requests call it; default the model")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=8091)
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    p.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    a = p.parse_args()
    device = a.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        encoder = load(a.model, a.revision, a.base, a.base_revision, a.merged, a.pool_frames).to(
            device, a.dtype
        )
    except Refused as e:
        print(f"embedder: {e}", file=sys.stderr)
        return 64
    uvicorn.run(create(encoder, a.name or a.model, a.revision), host=a.host, port=a.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
