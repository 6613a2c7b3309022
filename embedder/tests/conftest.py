"""A tiny ColIdefics3 with random weights, and its tokenizer and processor, built on the spot."""

import pytest
import small_server
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    Idefics3Config,
    Idefics3ImageProcessor,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

from embedder.idefics3 import ColIdefics3

TINY = {
    "vision": {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
    },
    "text": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    },
    "scale_factor": 2,
    "image_seq_len": 4,
    "longest_edge": 128,
}


def build(folder, shape=TINY, **text):
    """Write the model to a folder; text changes the configuration of its language model."""
    vision = shape["vision"]
    special = ["<pad>", "<unk>", "<image>", "<fake_token_around_image>", "<global-img>"]
    special += ["<end_of_utterance>", "<|im_start|>"]
    special += [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
    letters = [chr(c) for c in range(32, 127)] + ["\n"]
    vocabulary = {t: i for i, t in enumerate(special + letters)}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=special[2:],
    )
    images = Idefics3ImageProcessor(
        size={"longest_edge": shape["longest_edge"]},
        max_image_size={"longest_edge": vision["image_size"]},
    )
    processor = Idefics3Processor(images, tokenizer, image_seq_len=shape["image_seq_len"])
    processor.save_pretrained(folder)
    torch.manual_seed(1)
    config = Idefics3Config(
        vision_config=vision,
        text_config={
            "model_type": "llama",
            "vocab_size": len(vocabulary),
            **shape["text"],
            "pad_token_id": 0,
            **text,
        },
        scale_factor=shape["scale_factor"],
        image_token_id=2,
        pad_token_id=0,
    )
    ColIdefics3(config).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    build(folder)
    return folder


@pytest.fixture(scope="session")
def small():
    """A client of the server of small models."""
    with small_server.running() as client:
        yield client
