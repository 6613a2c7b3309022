"""ColIdefics3, which transformers lacks; its checkpoints are LoRA adapters of a base model."""

import torch
from torch import nn
from transformers import AutoProcessor, Idefics3Model, Idefics3PreTrainedModel

from . import adapter
from .encoder import Encoder, complete, unpadded

DIM = 128


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


def load(model: str, path, base) -> "Idefics3":
    """Load merged weights (base is None), or an adapter in path and its base."""
    network, info = ColIdefics3.from_pretrained(
        base or path, output_loading_info=True, use_safetensors=True, local_files_only=True
    )
    missing = set(info["missing_keys"])
    if base:
        network, found = adapter.merge(network, path)
        missing -= found
    complete(model, missing)
    has_processor = (path / "preprocessor_config.json").is_file()
    processor = AutoProcessor.from_pretrained(
        path if has_processor else base or path, local_files_only=True, trust_remote_code=False
    )
    return Idefics3(network, processor)


class Idefics3(Encoder):
    """Rows of pictures and queries, with the prompts that ColIdefics3 was trained with."""

    prompt = "<|im_start|>User:<image>Describe the image.<end_of_utterance>\nAssistant:"
    augmentation = "<end_of_utterance>" * 10
    dim = DIM

    def __init__(self, network, processor):
        super().__init__(network, processor)
        self.tokenizer.padding_side = "left"

    def __call__(self, kind: str, items: list) -> list:
        if kind == "picture":
            images, text = [[i] for i in items], [self.prompt] * len(items)
            batch = self.processor(text=text, images=images, padding=True, return_tensors="pt")
        else:
            text = [item + self.augmentation for item in items]
            batch = self.tokenizer(text, padding=True, return_tensors="pt")
        wanted = ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask")
        inputs = self.inputs(batch, wanted)
        with torch.inference_mode():
            return unpadded(self.network(**inputs), inputs["attention_mask"])
