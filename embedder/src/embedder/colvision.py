"""ColPali and ColQwen2 in transformers' own format: checkpoints named -hf, and adapters of them."""

import torch
from transformers import AutoProcessor, ColPaliForRetrieval, ColQwen2ForRetrieval

from . import adapter
from .encoder import Encoder, unpadded, whole

CLASSES = {"colpali": ColPaliForRetrieval, "colqwen2": ColQwen2ForRetrieval}


def load(model: str, path, base, kind: str) -> "ColVision":
    """Load the network and the processor of a folder, or an adapter in path and its base."""
    folder = base or path
    network = whole(CLASSES[kind], folder, model)
    if base:
        network, _ = adapter.merge(network, path)
    processor = AutoProcessor.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    return ColVision(network, processor)


class ColVision(Encoder):
    """Rows of pictures and queries; the processor writes the prompts around them."""

    def __init__(self, network, processor):
        super().__init__(network, processor)
        self.dim = network.config.embedding_dim

    def __call__(self, kind: str, items: list) -> list:
        if kind == "picture":
            batch = self.processor.process_images(images=items)
        else:
            batch = self.processor.process_queries(text=items)
        inputs = self.inputs(batch, tuple(k for k in batch if k != "labels"))
        with torch.inference_mode():
            rows = self.network(**inputs, use_cache=False).embeddings
        return unpadded(rows, inputs["attention_mask"])
