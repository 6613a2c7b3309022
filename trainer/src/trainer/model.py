"""The base model on the disk: its checks, and how its adapters are saved."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from . import fits, quantized
from .fault import Input, OutOfMemory, is_out_of_memory
from .job import Job

# Formats that run code when they are read, and weights that are not safetensors.
_REFUSED = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5"}
# Files of a tokenizer, and of a processor of images.
TOKENIZER = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.jinja",
    "*.model",
    "sentencepiece*",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "chat_template.json",
)
# The code of jina-embeddings-v3, in a repository of its own.
_JINA = "xlm-roberta-flash-implementation"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def checked(job: Job) -> Path:
    """The folder of the base model, or fault.Input that says what is wrong with it."""
    folder = Path(job.model.path)
    if not folder.is_absolute() or not folder.is_dir():
        raise Input(f"model {job.model.name}: {folder} is not a folder on this machine")
    names = sorted(Path(root) / name for root, _, files in os.walk(folder) for name in files)
    for path in names:
        if path.suffix.lower() in _REFUSED:
            raise Input(
                f"model {job.model.name}: {path} may hold pickled code; "
                "keep safetensors only in this folder"
            )
    if not any(p.suffix == ".safetensors" for p in names):
        raise Input(f"model {job.model.name}: {folder} holds no .safetensors file")
    for name in ("config.json", "tokenizer_config.json"):
        document = _json(folder / name, job)
        if "auto_map" in document:
            fix = "use a model that transformers knows"
            if "lora_adaptations" in document and _JINA in str(document["auto_map"]):
                fix = "use jinaai/jina-embeddings-v3-hf, the same model without code"
            raise Input(
                f"model {job.model.name}: {folder / name} asks to run code of its own "
                f"(auto_map); {fix}"
            )
    return folder


def _json(path: Path, job: Job) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise Input(f"model {job.model.name}: cannot read {path}: {e}") from e
    if not isinstance(document, dict):
        raise Input(f"model {job.model.name}: {path} must be a JSON object")
    return document


# Late-interaction models by model_type: their name among config.json's architectures.
LATE = {
    "idefics3": "ColIdefics3",
    "colqwen2": "ColQwen2ForRetrieval",
    "colpali": "ColPaliForRetrieval",
}


def late(job: Job) -> str | None:
    """The model_type of a late-interaction base; None for any other."""
    config = _json(Path(job.model.path) / "config.json", job)
    found, names = config.get("model_type"), config.get("architectures") or []
    return found if found in LATE and LATE[found] in names else None


def unreadable(job: Job, what: str, e: Exception) -> Exception:
    """The exception after a failed load: the folder is invalid unless memory ran out."""
    if is_out_of_memory(e):
        return OutOfMemory(f"out of memory while loading {what}: {e}")
    reason = fits.why(Path(job.model.path), e)
    return Input(f"model {job.model.name}: {what} does not load: {reason}")


def dtype(job: Job) -> torch.dtype:
    """The type in which the base is loaded.

    With an adapter the base is frozen and takes the job's format, while the adapter
    stays fp32 (PEFT's own choice). Where all weights are trained they stay fp32 and
    only the arithmetic is in the job's format: updates vanish in 8 bits of mantissa.
    """
    return DTYPES[job.numerics] if job.lora is not None else torch.float32


def tokenizer(job: Job) -> PreTrainedTokenizerBase:
    """The model's tokenizer, with an end token. Without a pad token it pads with the end
    token, which is always masked."""
    folder = checked(job)
    try:
        t = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as e:  # the library names no type for a broken file
        raise unreadable(job, "its tokenizer", e) from e
    if t.eos_token is None:
        raise Input(
            f"model {job.model.name}: its tokenizer has no end token (eos_token), so the model "
            "could never learn to stop"
        )
    if t.pad_token is None:
        t.pad_token = t.eos_token
    t.padding_side = "right"
    return t


def causal(job: Job) -> Any:
    """The base model, fresh from its folder, on the job's device. A measuring job has its
    names and shapes only, on the meta device."""
    if job.measure:
        return _loaded(job, AutoModelForCausalLM, {"device_map": "meta"})
    small = job.config.load_in_4bit
    m = _loaded(job, AutoModelForCausalLM, quantized.loading(job, dtype(job)) if small else {})
    if not small:
        return m.to(job.device)
    quantized.loaded(m)
    return m


def image_text(job: Job) -> Any:
    """The same for a vision-language model."""
    if job.measure:
        return _loaded(job, AutoModelForImageTextToText, {"device_map": "meta"})
    return _loaded(job, AutoModelForImageTextToText, {}).to(job.device)


def _loaded(job: Job, kind: Any, more: dict[str, Any]) -> Any:
    folder = checked(job)
    try:
        m, info = kind.from_pretrained(
            folder,
            dtype=dtype(job),
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # fits.weights refuses them, and names one
            **more,
        )
    except Exception as e:
        raise unreadable(job, str(folder), e) from e
    fits.weights(job, info)
    fits.length(job, m.config)
    m.config.use_cache = False
    return m


def lora(job: Job, task: str) -> LoraConfig | None:
    """PEFT's form of job.lora; task is CAUSAL_LM or FEATURE_EXTRACTION."""
    if job.lora is None:
        return None
    modules: Any = list(job.lora.target_modules)
    if modules == ["all-linear"]:
        modules = "all-linear"
    return LoraConfig(
        task_type=task,
        r=job.lora.r,
        lora_alpha=job.lora.alpha,
        lora_dropout=job.lora.dropout,
        target_modules=modules,
    )


def save_adapter(job: Job, m: Any, folder: Path) -> None:
    """PEFT layout. The base is named by repository and revision: the path on this machine
    is different elsewhere."""
    config = m.peft_config["default"]
    config.base_model_name_or_path = job.model.id
    # Only a commit is a revision to other libraries; the hash of files is ours alone.
    commit = re.fullmatch("[0-9a-f]{40}", job.model.revision or "")
    config.revision = job.model.revision if commit else None
    m.save_pretrained(folder, save_embedding_layers=False, selected_adapters=["default"])
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty card; the caller writes one


def merged(job: Job, m: Any) -> Any:
    """The base with the trained adapter merged in; a quantized base is loaded again without
    quantization, into the memory of the host."""
    if job.config.load_in_4bit:
        return quantized.merged(m, _loaded(job, AutoModelForCausalLM, {}))
    return m.merge_and_unload(safe_merge=True)


def load_adapter(m: Any, folder: Path) -> None:
    """Take the adapter that save_adapter wrote, exactly."""
    tensors = load_file(folder / "adapter_model.safetensors")
    result = set_peft_model_state_dict(m, tensors)
    lacking = [k for k in result.missing_keys if "lora_" in k and ".default." in k]
    if result.unexpected_keys or lacking:
        raise ValueError(f"{folder} is an adapter of another model")


def save_whole(job: Job, m: Any, folder: Path) -> None:
    """All weights with configuration and tokenizer, as a base model is laid out."""
    m.save_pretrained(folder)
    copy_tokenizer(job, folder)


def load_whole(m: Any, folder: Path) -> None:
    """Take the weights that save_whole wrote, exactly."""
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    result = m.load_state_dict(tensors, strict=False)
    tied = set(getattr(m, "all_tied_weights_keys", None) or ())
    if result.unexpected_keys or set(result.missing_keys) - tied:
        raise ValueError(f"{folder} holds another model")


def copy_tokenizer(job: Job, folder: Path) -> None:
    """The base's tokenizer files, byte for byte."""
    source = Path(job.model.path)
    for pattern in TOKENIZER:
        for path in source.glob(pattern):
            shutil.copyfile(path, folder / path.name)
