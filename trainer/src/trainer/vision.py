"""Vision-language models: what their processor makes of images, and which layers adapters take.

The processor writes an image as one token per patch of its grid. The rows keep the number of
those tokens, which follows from the size of an image; the pixels are read for each micro-batch,
because those of all rows would not fit in memory.
"""

import dataclasses
import json
import re
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, PreTrainedTokenizerBase

from . import fits, model, pictures, tokens
from .fault import Input
from .job import Job
from .matched import Answer
from .method import Row
from .tokens import Refused

# Architectures whose images and layers are known; each has a test.
ARCHITECTURES = ("qwen2_vl", "qwen2_5_vl")


def of(job: Job, tokenizer: PreTrainedTokenizerBase) -> "Vision | None":
    """The images of a job's base model; None for a model of texts."""
    config = json.loads((model.checked(job) / "config.json").read_text(encoding="utf-8"))
    return Vision(job, tokenizer) if config.get("model_type") in ARCHITECTURES else None


class Vision:
    """The processor of a base model."""

    def __init__(self, job: Job, tokenizer: PreTrainedTokenizerBase):
        if job.config.packing:
            raise Input("packing: is not supported for rows with images; set packing to false")
        if job.config.load_in_4bit:
            raise Input(
                "load_in_4bit: is not supported for bases that read images; set it to false"
            )
        if job.lora is None:
            raise Input(
                f"job.lora: {job.model.name} is trained with an adapter of its language part "
                "only; set lora"
            )
        self._job = job
        try:
            processor = AutoProcessor.from_pretrained(
                model.checked(job), local_files_only=True, trust_remote_code=False
            )
        except Exception as e:  # the library names no type for a broken file
            raise model.unreadable(job, "its image processor", e) from e
        if not hasattr(processor, "image_processor"):
            raise Input(
                f"model {job.model.name}: its folder has no preprocessor_config.json, which says "
                "how it reads images; copy it from the model's repository"
            )
        self._processor = processor
        # Older repositories keep the template of conversations with images in a file of its own.
        tokenizer.chat_template = processor.chat_template or tokenizer.chat_template
        self.token: int = processor.image_token_id
        self._counts: dict[str, int] = {}

    def count(self, name: str) -> int:
        """The tokens of an image."""
        if name not in self._counts:
            # A job that measures decodes images as well, before a GPU is taken.
            size = pictures.load(self._job, name).size if self._job.measure else None
            width, height = size or pictures.size(self._job, name)
            try:
                counted = self._processor._get_num_multimodal_tokens([(height, width)])
            except ValueError as e:  # an image of extreme proportions
                raise Input(f"image {name} of {width} x {height} pixels: {e}") from e
            self._counts[name] = counted["num_image_tokens"][0]
        return self._counts[name]

    def expand(self, ids: list[int], names: list[str]) -> list[int]:
        """Tokens with as many for each image as the processor writes."""
        if ids.count(self.token) != len(names):
            raise Refused(
                f"its conversation has {ids.count(self.token)} image tokens once it is formatted, "
                f"and {len(names)} images; remove image tokens from the texts"
            )
        left, out = iter(names), []
        for t in ids:
            out += [t] * (self.count(next(left)) if t == self.token else 1)
        return out

    def within(self, names: list[str], ids: list[int]) -> list[str]:
        """The images whose tokens are in the beginning of a sequence."""
        left, out = ids.count(self.token), []
        for name in names:
            if left <= 0:
                break
            left -= self.count(name)
            out.append(name)
        return out

    def inputs(self, ids: torch.Tensor, names: list[str]) -> dict[str, torch.Tensor]:
        """What the model is given of the images of a micro-batch, beside its tokens."""
        if not names:
            return {}
        images: list[Image.Image] = [pictures.load(self._job, name) for name in names]
        made = self._processor.image_processor(images=images, return_tensors="pt")
        here = ids == self.token
        expected = sum(self.count(name) for name in names)
        if int(here.sum()) != expected:
            raise ValueError(f"{int(here.sum())} image tokens for images of {expected}")
        return {
            "pixel_values": made["pixel_values"],
            "image_grid_thw": made["image_grid_thw"],
            "mm_token_type_ids": here.int(),
        }

    def encoder(self, *arguments: Any) -> "Encoder":
        """Arguments are those of tokens.Encoder."""
        return Encoder(self, *arguments)


class Encoder(tokens.Encoder):
    """Turns rows with images into tokens. Of a conversation only the answers are learned."""

    def __init__(self, vision: Vision, *arguments: Any):
        super().__init__(*arguments)
        self._vision = vision

    def sft(self, row: Row) -> tuple[dict[str, Any] | None, int]:
        encoded, length = super().sft(row)
        if encoded is None:
            return None, length
        names = images(row)
        want, have = self._tokens(names), encoded["input_ids"].count(self._vision.token)
        if have > want:
            raise Refused("its text has the image token of the model; remove it")
        if have < want:  # the model cannot read a part of an image
            return None, length
        return {**encoded, "pictures": names}, length

    def answer(self, row: Row) -> Answer | None:
        a = super().answer(row)
        return a and dataclasses.replace(a, pictures=tuple(self.pictures(row, a.head)))

    def pictures(self, row: Row, ids: list[int]) -> list[str]:
        return self._vision.within(images(row), ids)

    def _tokens(self, names: list[str]) -> int:
        return sum(self._vision.count(name) for name in names)

    def _messages(self, messages: list[dict[str, Any]]) -> tuple[list[int], list[bool]]:
        """Tokens, and which belong to an answer up to its end token. Templates of these models
        do not mark answers: one begins where the conversation before it asks for one."""
        ids = self._chat(messages)["input_ids"]
        counted = [False] * len(ids)
        for i, m in enumerate(messages):
            if m["role"] != "assistant" or m.get("weight") == 0:
                continue
            start = self.prompt(messages[:i]) if i else []
            end = self._chat(messages[: i + 1])["input_ids"]
            if ids[: len(end)] != end or end[: len(start)] != start:
                raise Refused(
                    f"the chat template of {self._name} writes a message in another way when "
                    "more follow, so its answers cannot be told from the rest"
                )
            last = len(end)
            if self._tokenizer.eos_token_id in end[len(start) :]:
                last -= end[::-1].index(self._tokenizer.eos_token_id)
            counted[len(start) : last] = [True] * (last - len(start))
        return ids, [c and t != self._vision.token for c, t in zip(counted, ids, strict=True)]

    def _message(self, m: dict[str, Any]) -> dict[str, Any]:
        return {"role": m["role"], "content": m["content"]}

    def _chat(self, messages: list[dict[str, Any]], **options: Any) -> dict[str, list[int]]:
        out = super()._chat(messages, **options)
        names = images({"messages": messages})
        try:
            return {"input_ids": self._vision.expand(out["input_ids"], names)}
        except Refused:
            raise
        except Input as e:  # an image: the row is named by the caller
            raise Refused(str(e)) from e


def images(row: Row) -> list[str]:
    """The images of a row, each as often as it is shown."""
    return [
        part["image"]
        for said in row.values()
        if isinstance(said, list)
        for m in said
        if isinstance(m["content"], list)
        for part in m["content"]
        if part["type"] == "image"
    ]


def targets(m: Any, modules: list[str]) -> str:
    """A regular expression for PEFT: these layers of the language part, wherever a version of
    the library has it, and none that reads images."""
    names = modules
    if modules == ["all-linear"]:
        head = m.get_output_embeddings()
        layers = fits.linear(m).items()
        names = sorted({path.rsplit(".", 1)[-1] for path, layer in layers if layer is not head})
    return rf"^(?!.*\b{fits.TOWER}\b).*\.(?:{'|'.join(map(re.escape, names))})$"
