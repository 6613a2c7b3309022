"""Tiny late-interaction models with random weights, and rows of texts and pictures."""

import hashlib
import io
import random

import torch
from PIL import Image, ImageDraw
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    ColPaliConfig,
    ColPaliForRetrieval,
    ColPaliProcessor,
    ColQwen2Config,
    ColQwen2ForRetrieval,
    ColQwen2Processor,
    GemmaConfig,
    Idefics3Config,
    Idefics3ImageProcessor,
    Idefics3Processor,
    PaliGemmaConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLImageProcessor,
    SiglipImageProcessor,
    SiglipVisionConfig,
)

from trainer.colvision import ColIdefics3

TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
TEXT |= {"num_attention_heads": 2, "num_key_value_heads": 2}


def letters(special, **named):
    """A tokenizer of single characters; the second special token is for all others."""
    vocabulary = {t: i for i, t in enumerate(special + [chr(c) for c in range(32, 127)] + ["\n"])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        unk_token="<unk>",
        additional_special_tokens=special[2:],
        **named,
    )


def idefics3(folder):
    special = ["<pad>", "<unk>", "<image>", "<fake_token_around_image>", "<global-img>"]
    special += ["<end_of_utterance>", "<|im_start|>"]
    special += [f"<row_{r}_col_{c}>" for r in range(1, 4) for c in range(1, 4)]
    tokenizer = letters(special, pad_token="<pad>")
    images = Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    Idefics3Processor(images, tokenizer, image_seq_len=4).save_pretrained(folder)
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    config = Idefics3Config(
        vision_config=vision | {"num_attention_heads": 2, "image_size": 32, "patch_size": 8},
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "pad_token_id": 0,
            **TEXT,
        },
        scale_factor=2,
        image_token_id=2,
        pad_token_id=0,
    )
    ColIdefics3(config).save_pretrained(folder)


def colqwen2(folder):
    special = ["<|endoftext|>", "<unk>", "<|im_start|>", "<|im_end|>"]
    special += ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = letters(special, pad_token="<|endoftext|>", padding_side="left")
    images = Qwen2VLImageProcessor(size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56})
    ColQwen2Processor(images, tokenizer).save_pretrained(folder)
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3]}
    vlm = Qwen2VLConfig(
        vision_config={"depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2},
        text_config={"vocab_size": len(tokenizer), "rope_parameters": rope, **TEXT},
        image_token_id=6,
        video_token_id=7,
        vision_start_token_id=4,
        vision_end_token_id=5,
    )
    ColQwen2ForRetrieval(ColQwen2Config(vlm_config=vlm, embedding_dim=16)).save_pretrained(folder)


def colpali(folder):
    tokenizer = letters(["<pad>", "<unk>", "<image>"], pad_token="<pad>", bos_token="<unk>")
    images = SiglipImageProcessor(size={"height": 32, "width": 32})
    images.image_seq_length = 4
    processor = ColPaliProcessor(images, tokenizer)
    processor.save_pretrained(folder)
    text = GemmaConfig(vocab_size=len(processor.tokenizer), head_dim=16, **TEXT)
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 16}
    vlm = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(**vision).to_dict(),
        text_config=text.to_dict(),
        image_token_id=processor.image_token_id,
        projection_dim=32,
    )
    ColPaliForRetrieval(ColPaliConfig(vlm_config=vlm, embedding_dim=16)).save_pretrained(folder)


KINDS = {"idefics3": idefics3, "colqwen2": colqwen2, "colpali": colpali}


def make(kind, folder):
    """Write a model to a folder, and return it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        KINDS[kind](folder)
    return folder


COLOURS = ("red", "green", "blue", "yellow", "black", "white")


def stored(folder, picture):
    """The name of a picture that is in the folder of a job's images."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    name = hashlib.sha256(out.getvalue()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(out.getvalue())
    return name


def rows(folder, n, seed, negatives=False):
    """Queries by colour, and pictures of it with a mark somewhere."""
    choose = random.Random(seed)

    def picture(colour):
        size = (choose.choice((32, 48, 56)), choose.choice((32, 48)))
        image = Image.new("RGB", size, colour)
        x, y = choose.randrange(28), choose.randrange(28)
        ImageDraw.Draw(image).rectangle((x, y, x + 3, y + 3), fill=(x * 8, y * 8, 99))
        return {"image": stored(folder, image)}

    found = []
    for i in range(n):
        colour, other = choose.sample(COLOURS, 2)
        row = {"anchor": f"{colour} {i}", "positive": picture(colour)}
        found.append(row | ({"negative": picture(other)} if negatives else {}))
    return found
