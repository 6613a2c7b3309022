"""The interface of a model."""

import numpy as np
import torch
from PIL import Image


class Refused(Exception):
    """The model is not served; the text says why and what to do."""


class Encoder:
    """A model with its processor; calling it embeds a batch of one kind of input.

    A `picture` is a PIL image, a `clip` an array of `frames` prepared stills, a
    `query` a text, and so is each kind of `roles`. The answer has an array of rows of
    length 1 for each input.
    """

    kind = "multi"  # many rows per input; "single" is one
    dim = 0
    frames = 0  # stills of one clip; 0: pictures are embedded one by one
    max_tokens = 0  # of a text; 0: no limit
    roles: frozenset = frozenset()  # kinds of texts that the model has prompts for
    no_text = no_pictures = ""  # why the model takes none, and what to do

    def __init__(self, network, processor):
        self.network, self.processor, self.device = network.eval(), processor, "cpu"

    @property
    def tokenizer(self):
        """What counts the tokens of a text."""
        return self.processor.tokenizer

    def to(self, device: str, dtype: str) -> "Encoder":
        """Move to a device and a type of number."""
        self.device = device
        self.network.to(device=device, dtype=getattr(torch, dtype))
        return self

    def prepare(self, picture: Image.Image) -> object:
        """What is kept of a picture until its turn comes; runs beside the model."""
        return picture

    def tokens(self, text: str, kind: str = "query") -> int:
        """How many tokens a text of a kind has."""
        return len(self.tokenizer(text)["input_ids"])

    def __call__(self, kind: str, items: list) -> list[np.ndarray]:
        raise NotImplementedError

    def inputs(self, batch, wanted: tuple) -> dict:
        """The part of a processor's batch that the network takes, on its device and in its type."""
        inputs = {k: v.to(self.device) for k, v in batch.items() if k in wanted}
        dtype = next(self.network.parameters()).dtype
        return {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}


def whole(cls, path, model: str):
    """Load a network; all weights must be present, because a missing one would be random."""
    network, info = cls.from_pretrained(
        path, output_loading_info=True, use_safetensors=True, local_files_only=True
    )
    complete(model, info["missing_keys"])
    return network


def complete(model: str, missing) -> None:
    """Refuse a model that lacks weights."""
    if missing:
        raise Refused(
            f"{model} lacks weights, which would be random: {sorted(missing)[:5]}; "
            "get the whole checkpoint"
        )


def unpadded(rows: torch.Tensor, mask: torch.Tensor) -> list[np.ndarray]:
    """The rows of each input that are not padding."""
    rows, mask = rows.float().cpu(), mask.bool().cpu()
    return [r[m].numpy() for r, m in zip(rows, mask, strict=True)]
