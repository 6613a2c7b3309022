"""Late-interaction models: one vector for each token of a text and each patch of a picture.

ColPali and ColQwen2 are transformers' own classes. ColIdefics3, which transformers lacks, is
colpali-engine's; embedder/src/embedder/idefics3.py serves it, and has the same class. A text is
always a query, with the prefix and the augmentation tokens of its model, as the embedder and
sentence-transformers read it.
"""

import functools
import json
from typing import Any

import torch
from PIL import Image
from sentence_transformers.base.modules import Module
from torch import nn
from transformers import (
    AutoProcessor,
    ColPaliForRetrieval,
    ColQwen2ForRetrieval,
    Idefics3Model,
    Idefics3PreTrainedModel,
)

from . import fits, model, pictures
from .fault import Input
from .job import Job

DIM = 128


class ColIdefics3(Idefics3PreTrainedModel):
    """colpali-engine's late-interaction head on Idefics3: linear, L2 norm, mask."""

    def __init__(self, config: Any):
        super().__init__(config)
        self.model = Idefics3Model(config)
        self.linear = nn.Linear(config.text_config.hidden_size, DIM)
        self.post_init()

    def forward(self, attention_mask: torch.Tensor, **inputs: Any) -> torch.Tensor:
        hidden = self.model(attention_mask=attention_mask, use_cache=False, **inputs)[0]
        rows = self.linear(hidden.to(self.linear.weight.dtype))
        return nn.functional.normalize(rows.float(), dim=-1) * attention_mask.unsqueeze(-1)


CLASSES = {
    "idefics3": ColIdefics3,
    "colqwen2": ColQwen2ForRetrieval,
    "colpali": ColPaliForRetrieval,
}
# What stays as it is beside an adapter: all that reads images.
_FROZEN = rf".*\.({'|'.join(fits.TOWERS)})\..*"
# The layer after the language model; PROJECTION is its name in colpali-engine's ColQwen2.
PROJECTION = "custom_text_proj"
_PROJECTIONS = {
    "idefics3": "linear",
    "colqwen2": "embedding_proj_layer",
    "colpali": "embedding_proj_layer",
}


def load(job: Job) -> "Network":
    """The base, fresh from its folder. A measuring job has its names and shapes only."""
    folder = model.checked(job)
    found = model.late(job)
    if found is None:
        known = ", ".join(model.LATE.values())
        raise Input(
            f"model {job.model.name}: the loss late_interaction needs a late-interaction model "
            f"({known}); use another base, or the loss triplet or mnr"
        )
    try:
        processor = AutoProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as e:  # the library names no type for a broken file
        raise model.unreadable(job, "its processor", e) from e
    return Network(job, found, _network(job, CLASSES[found]), processor)


def _network(job: Job, cls: Any) -> Any:
    try:
        network, info = cls.from_pretrained(
            job.model.path,
            dtype=model.dtype(job),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # fits.weights refuses them, and names one
            **({"device_map": "meta"} if job.measure else {}),
        )
    except Exception as e:
        raise model.unreadable(job, job.model.path, e) from e
    fits.weights(job, info)
    fits.length(job, network.config)
    return network if job.measure else network.to(job.device)


class Network(Module):
    """The model and its processor, as the one module of a MultiVectorEncoder. Its inputs are
    JSON texts: a string, or {"image": name}."""

    # ColIdefics3's own; the processors of the others write theirs.
    prompt = "<|im_start|>User:<image>Describe the image.<end_of_utterance>\nAssistant:"
    augmentation = "<end_of_utterance>" * 10

    def __init__(self, job: Job, found: str, network: Any, processor: Any):
        super().__init__()
        self._job, self.kind = job, found
        self.network, self.processor = network, processor
        self.projection = _PROJECTIONS[found]
        if found == "idefics3":
            self.tokenizer.padding_side = "left"
        self._around = self._queries([""])["input_ids"].shape[1]
        self.room = job.config.max_seq_length - self._around  # tokens of a text of its own
        if self.room < 1:
            raise Input(
                f"job.config.max_seq_length: {job.config.max_seq_length} leaves no room for a "
                f"text: {job.model.name} adds {self._around} tokens to each"
            )

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    def frozen_among(self, targets: list[str]) -> str | None:
        """What an adapter with these targets must leave out: whatever reads pictures."""
        some = [f".{n}" for n, m in self.network.named_modules() if isinstance(m, nn.Linear)]
        some = [n for n in some if not fits.reads_text(n)]
        hit = targets == ["all-linear"] or any(n.endswith(f".{t}") for n in some for t in targets)
        return _FROZEN if hit else None

    def preprocess(self, inputs: list[str], *_: Any, **__: Any) -> dict[str, torch.Tensor]:
        """The tensors of one column of a batch."""
        values = [json.loads(value) for value in inputs]
        if isinstance(values[0], str):
            batch = self._queries([self.cut(value) for value in values])
        else:
            batch = self._pictures([pictures.load(self._job, v["image"]) for v in values])
        names = ["input_ids", "attention_mask", "pixel_values", "pixel_attention_mask"]
        if self.kind == "colpali":
            names.append("token_type_ids")  # which of its tokens see those after them
        found = {k: batch[k] for k in names if k in batch}
        if "image_grid_thw" in batch:
            # Under its own name the library would take pixel_values for one sequence.
            found["grid"] = batch["image_grid_thw"]
        return found

    def _queries(self, texts: list[str]) -> Any:
        if self.kind == "idefics3":
            texts = [text + self.augmentation for text in texts]
            return self.tokenizer(texts, padding=True, return_tensors="pt")
        return self.processor.process_queries(text=texts)

    def _pictures(self, images: list[Any]) -> Any:
        if self.kind == "idefics3":
            text = [self.prompt] * len(images)
            images = [[image] for image in images]
            return self.processor(text=text, images=images, padding=True, return_tensors="pt")
        return self.processor.process_images(images=images)

    def cut(self, text: str) -> str:
        """A text without the tokens that are too many; its augmentation is never cut."""
        encoded = self.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        places = encoded["offset_mapping"]
        return text if len(places) <= self.room else text[: places[self.room - 1][1]]

    def length(self, value: str) -> int:
        """The tokens of an input, before the cut. Pictures are never cut."""
        content = json.loads(value)
        if isinstance(content, str):
            ids = self.tokenizer(content, add_special_tokens=False, verbose=False)["input_ids"]
            fits.vocabulary(self._job, self.network, self.tokenizer, [ids])
            return len(ids) + self._around
        name = content["image"]
        # A job that measures decodes images as well, before a GPU is taken.
        size = pictures.load(self._job, name).size if self._job.measure else None
        width, height = size or pictures.size(self._job, name)
        try:
            return self._tokens(width, height) + self._beside
        except ValueError as e:  # an image of extreme proportions
            raise Input(f"image {name} of {width} x {height} pixels: {e}") from e

    def _tokens(self, width: int, height: int) -> int:
        counted = self.processor._get_num_multimodal_tokens([(height, width)])
        return int(counted["num_image_tokens"][0])

    @functools.cached_property
    def _beside(self) -> int:
        """The tokens of a picture's prompt."""
        whole = self._pictures([Image.new("RGB", (64, 64))])["input_ids"].shape[1]
        return whole - self._tokens(64, 64)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        names = {"grid": "image_grid_thw"}
        inputs = {names.get(k, k): v for k, v in features.items() if isinstance(v, torch.Tensor)}
        if self.kind != "idefics3":
            inputs["use_cache"] = False
        rows = self.network(**inputs)
        rows = getattr(rows, "embeddings", rows)
        return {**features, "token_embeddings": rows}

    def save(self, *_: Any, **__: Any) -> None:
        """Nothing: late.Method saves the network."""
