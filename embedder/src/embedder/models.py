"""Loads models, refusing whatever would answer with meaningless vectors."""

import json
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from transformers import AutoProcessor, Idefics3Model, Idefics3PreTrainedModel

DIM = 128  # of ColIdefics3


class Refused(Exception):
    """The model is not served; the text says why and what to do."""


class ColIdefics3(Idefics3PreTrainedModel):
    """colpali-engine's late-interaction head on Idefics3: linear, L2 norm, mask."""

    def __init__(self, config):
        super().__init__(config)
        self.model = Idefics3Model(config)
        self.linear = nn.Linear(config.text_config.hidden_size, DIM)
        self.post_init()

    def forward(self, attention_mask, **inputs):
        hidden = self.model(attention_mask=attention_mask, use_cache=False, **inputs)[0]
        rows = self.linear(hidden.to(self.linear.weight.dtype))
        return nn.functional.normalize(rows.float(), dim=-1) * attention_mask.unsqueeze(-1)


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
            raise Refused(f"{model} wants to run its own code ({name}); it is never trusted")
    return path


def load(model: str, revision: str, base: str = "", base_revision: str = "", merged: bool = False):
    """Return an Encoder. A model of adapters needs them all; a merged one is declared so."""
    path = folder(model, revision)
    adapter = path / "adapter_config.json"
    weights = path
    if adapter.is_file():
        base = base or json.loads(adapter.read_text())["base_model_name_or_path"]
        if not base_revision and not Path(base).is_dir():
            raise Refused(f"{model} is an adapter of {base}: pin it with --base-revision")
        weights = folder(base, base_revision)
    config = json.loads((weights / "config.json").read_text())
    kind = config.get("model_type")
    if kind != "idefics3":
        raise Refused(f"{model} is of type {kind!r}; this server knows idefics3 (ColIdefics3)")
    if not adapter.is_file() and not merged:
        raise Refused(
            f"{model} has no adapter_config.json. A base model without its adapter yields "
            "meaningless vectors: serve the adapter, or say --merged if it is merged already"
        )
    network, info = ColIdefics3.from_pretrained(
        weights, output_loading_info=True, use_safetensors=True, local_files_only=True
    )
    missing = set(info["missing_keys"])
    if adapter.is_file():
        network, found = _merge(network, path)
        missing -= found
    if missing:
        raise Refused(f"{model} lacks weights, which would be random: {sorted(missing)[:5]}")
    has_processor = (path / "preprocessor_config.json").is_file()
    processor = AutoProcessor.from_pretrained(
        path if has_processor else weights, local_files_only=True, trust_remote_code=False
    )
    return Encoder(network.eval(), processor)


def _merge(network, path: Path):
    """Merge a LoRA adapter; every weight of it must find its place, and none may lack."""
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    file = path / "adapter_model.safetensors"
    if not file.is_file():
        raise Refused(f"{path.name} lacks adapter_model.safetensors")
    network = get_peft_model(network, LoraConfig.from_pretrained(path))
    result = set_peft_model_state_dict(network, load_file(file))
    absent = [k for k in result.missing_keys if "lora_" in k]
    if absent or result.unexpected_keys:
        raise Refused(f"the adapter does not fit: {(absent + list(result.unexpected_keys))[:5]}")
    with safe_open(file, "pt") as tensors:
        names = tensors.keys()
    found = {k.removeprefix("base_model.model.") for k in names if "lora_" not in k}
    return network.merge_and_unload(), found


class Encoder:
    """Turns pictures and queries into rows; padding is dropped by the attention mask."""

    prompt = "<|im_start|>User:<image>Describe the image.<end_of_utterance>\nAssistant:"
    augmentation = "<end_of_utterance>" * 10
    dim, kind = DIM, "multi"

    def __init__(self, network, processor, device: str = "cpu", dtype=torch.float32):
        self.network, self.processor, self.device = network, processor, device
        self.network.to(device=device, dtype=dtype)
        self.processor.tokenizer.padding_side = "left"

    def to(self, device: str, dtype: str) -> "Encoder":
        """Move to a device and type of number."""
        return Encoder(self.network, self.processor, device, getattr(torch, dtype))

    def __call__(self, kind: str, items: list) -> list:
        if kind == "picture":
            images, text = [[i] for i in items], [self.prompt] * len(items)
            batch = self.processor(text=text, images=images, padding=True, return_tensors="pt")
        else:
            text = [item + self.augmentation for item in items]
            batch = self.processor.tokenizer(text, padding=True, return_tensors="pt")
        wanted = ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask")
        inputs = {k: v.to(self.device) for k, v in batch.items() if k in wanted}
        if "pixel_values" in inputs:
            inputs["pixel_values"] = inputs["pixel_values"].to(self.network.dtype)
        with torch.inference_mode():
            rows = self.network(**inputs).float().cpu()
        mask = inputs["attention_mask"].bool().cpu()
        return [r[m].numpy() for r, m in zip(rows, mask, strict=True)]
