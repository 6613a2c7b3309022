"""What a base must be to be trained. A plan asks before a GPU is taken, and training asks again, so
both refuse with the same sentence. A plan has no weights: the model is on the meta device there.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import CONFIG_MAPPING, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from . import apart, sketch
from .fault import Input
from .job import Job

TOWER = "visual"  # part of the path of every layer that reads images
TOWERS = (TOWER, "vision_model", "vision_tower", "connector", "multi_modal_projector")
_OTHER = "use a language model, such as one of llama, qwen3 or smollm3"


def why(folder: Path, e: Exception) -> str:
    """What a library says when a model does not load, in words that a person can act on."""
    text = str(e)
    try:
        kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        kind = None
    if kind and kind not in CONFIG_MAPPING:
        return (
            f"transformers {transformers.__version__} knows no model of type {kind!r} (model_type "
            "of config.json); use another base model"
        )
    if "for this kind of AutoModel" in text:
        return f"a model of type {kind!r} does not continue a text; {_OTHER}"
    if "attention implementation" in text and "scaled_dot_product_attention" in text:
        return (
            f"the attention of a model of type {kind!r} is not one that can be trained here "
            "(sdpa); use another base model"
        )
    if "ignore_mismatched_sizes" in text:
        return "the sizes of its weights are not those of its config.json; fetch the model again"
    return f"{type(e).__name__}: {text}"


def weights(job: Job, info: dict[str, Any]) -> None:
    """Refuse files that lack weights, or have them in other sizes. info is transformers'."""
    if lacking := sorted(info["missing_keys"]):
        raise Input(f"model {job.model.name}: its files lack the weights {lacking[0]} …")
    if wrong := sorted(info["mismatched_keys"]):
        name, held, wanted = wrong[0]
        raise Input(
            f"model {job.model.name}: its files hold {name} in the size {tuple(held)}, and its "
            f"config.json asks for {tuple(wanted)}; fetch the model again"
        )


def length(job: Job, config: Any) -> None:
    """Refuse rows that are longer than the model takes."""
    longest = getattr(config.get_text_config(), "max_position_embeddings", None)
    if longest is not None and job.config.max_seq_length > longest:
        raise Input(
            f"job.config.max_seq_length: {job.config.max_seq_length} is more than the {longest} "
            f"tokens that {job.model.name} takes"
        )


def linear(m: Any) -> dict[str, torch.nn.Module]:
    """The layers that an adapter can attach to, by path; none that reads images."""
    kinds = (torch.nn.Linear, Conv1D)
    named = m.named_modules()
    return {n: x for n, x in named if isinstance(x, kinds) and reads_text(n)}


def reads_text(path: str) -> bool:
    """Whether a layer is not of the part that reads images, which takes no adapter."""
    return not any(part in TOWERS for part in path.split("."))


def targets(job: Job, m: Any) -> None:
    """Refuse target_modules that the base does not have, before PEFT applies some of them."""
    if job.lora is None:
        return
    paths = linear(m)
    last = {path.rsplit(".", 1)[-1] for path in paths}
    if job.lora.target_modules == ["all-linear"]:
        if not paths:
            raise Input(f"job.lora.target_modules: {job.model.name} has no linear layer")
        return
    head = next((n for n, x in m.named_modules() if x is m.get_output_embeddings()), None)
    for name in job.lora.target_modules:
        if name == head:
            raise Input(
                f"job.lora.target_modules: {name} is the output layer, which takes no adapter: "
                "the loss is computed from its weights directly"
            )
        if name not in last and not any(f".{path}".endswith(f".{name}") for path in paths):
            raise Input(
                f"job.lora.target_modules: {job.model.name} has no linear layer {name!r}; "
                f"it has {', '.join(sorted(last))}"
            )


def keeps_apart(job: Job, m: Any) -> bool:
    """Whether samples of one sequence stay apart. Refuses a model in which a word sees those after
    it, and packing where samples meet."""
    asked = m
    if job.measure:
        asked = sketch.of(m)
        if asked is None:
            return False  # training asks the model itself
    if not job.resume and not apart.causal(asked):
        raise Input(
            f"model {job.model.name}: it is an encoder, in which a word sees those after it, so it "
            f"cannot learn to continue a text; {_OTHER}"
        )
    found = apart.keeps_apart(asked)
    if job.config.packing and not found:
        raise Input(
            f"packing: {job.model.name} does not keep samples of one sequence apart; "
            "set packing to false"
        )
    return found


def vocabulary(
    job: Job, m: Any, tokenizer: PreTrainedTokenizerBase, rows: Iterable[list[int]]
) -> None:
    """Refuse tokens that the model has no embedding of. A job that goes on passed this."""
    if job.resume:
        return
    known = m.get_input_embeddings().weight.shape[0]
    highest = max((max(ids) for ids in rows if ids), default=0)
    if highest >= known:
        raise Input(
            f"model {job.model.name}: its tokenizer writes token {highest} "
            f"({tokenizer.convert_ids_to_tokens(highest)!r}), and its embeddings have {known} "
            "rows; use the tokenizer that belongs to the model"
        )
