"""Loads models, refusing whatever would answer with meaningless vectors."""

import json
from pathlib import Path

from huggingface_hub import snapshot_download

from . import colvision, idefics3, sentences, videoprism
from .encoder import Encoder, Refused

SUPPORTED = (
    "idefics3 (ColIdefics3), colpali, colqwen2, videoprism_vision_model, videoprism, "
    "models with sentence-transformers' modules.json, and adapters of text encoders"
)


def folder(model: str, revision: str) -> Path:
    """The files of a model: a folder as it is, or one revision from the hub."""
    path = Path(model)
    if not path.is_dir():
        patterns = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
        path = Path(snapshot_download(model, revision=revision, allow_patterns=patterns))
    if not list(path.glob("*.safetensors")):
        raise Refused(f"{model} has no safetensors; pickled weights are never loaded")
    for name in ("config.json", "processor_config.json", "tokenizer_config.json"):
        if (path / name).is_file() and "auto_map" in json.loads((path / name).read_text()):
            raise Refused(f"{model} requires its own code ({name}), which is never executed")
    return path


def load(
    model: str,
    revision: str,
    base: str = "",
    base_revision: str = "",
    merged: bool = False,
    pool_frames: int = 1,
) -> Encoder:
    """Return the Encoder of a model; its config.json says of which type it is.

    base, base_revision and merged are for adapters, pool_frames for VideoPrism.
    """
    path, below = folder(model, revision), None
    adapter = path / "adapter_config.json"
    if adapter.is_file():
        base = base or json.loads(adapter.read_text())["base_model_name_or_path"]
        if not base_revision and not Path(base).is_dir():
            raise Refused(f"{model} is an adapter of {base}: pin it with --base-revision")
        below = folder(base, base_revision)
    config = json.loads(((below or path) / "config.json").read_text())
    kind = config.get("model_type")
    if pool_frames != 1 and not str(kind).startswith("videoprism"):
        raise Refused(f"--pool-frames is for VideoPrism, {model} is of type {kind!r}: leave it out")
    if kind == "idefics3":
        if not below and not merged:
            raise Refused(
                f"{model} has no adapter_config.json. A base model without its adapter yields "
                "meaningless vectors: serve the adapter, or pass --merged if it is merged already"
            )
        return idefics3.load(model, path, below)
    if kind in colvision.CLASSES and not (path / "modules.json").is_file():
        return colvision.load(model, path, below, kind)
    if below and json.loads(adapter.read_text()).get("task_type") == "FEATURE_EXTRACTION":
        return sentences.load(model, below, path)
    if below:
        raise Refused(
            f"{model} is an adapter of {kind!r}: serve a checkpoint that has it merged in "
            "(ColPali and ColQwen2: adapters of bases whose names end in -hf are served)"
        )
    if (path / "modules.json").is_file():
        return sentences.load(model, path)
    if kind in ("videoprism", "videoprism_vision_model"):
        return videoprism.load(model, path, config, pool_frames)
    raise Refused(f"{model} is of type {kind!r}; supported: {SUPPORTED}")
