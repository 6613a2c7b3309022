import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from starlette.testclient import TestClient
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as tokens
from transformers import (
    ColPaliConfig,
    ColPaliForRetrieval,
    ColPaliProcessor,
    ColQwen2Config,
    ColQwen2ForRetrieval,
    ColQwen2Processor,
    GemmaConfig,
    PaliGemmaConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLImageProcessor,
    SiglipImageProcessor,
    SiglipVisionConfig,
)
from wire import ask, rows, uri

from embedder import models
from embedder.encoder import Refused
from embedder.server import create

DIM = 8
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1}


def letters(special, **named):
    """A tokenizer of single characters."""
    vocabulary = {t: i for i, t in enumerate(special + [chr(c) for c in range(32, 127)] + ["\n"])}
    raw = Tokenizer(tokens.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    named = {"unk_token": "<unk>", **named}
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, additional_special_tokens=special[2:], **named
    )


def colpali(folder):
    tokenizer = letters(
        ["<pad>", "<unk>", "<bos>", "<image>"], pad_token="<pad>", bos_token="<bos>"
    )
    images = SiglipImageProcessor(size={"height": 32, "width": 32})
    images.image_seq_length = 4
    processor = ColPaliProcessor(images, tokenizer)
    processor.save_pretrained(folder)
    text = GemmaConfig(vocab_size=len(processor.tokenizer), head_dim=8, **SMALL, **HEADS)
    vision = SiglipVisionConfig(image_size=32, patch_size=16, num_attention_heads=2, **SMALL)
    vlm = PaliGemmaConfig(
        vision_config=vision.to_dict(),
        text_config=text.to_dict(),
        image_token_id=processor.image_token_id,
        projection_dim=16,
    )
    ColPaliForRetrieval(ColPaliConfig(vlm_config=vlm, embedding_dim=DIM)).save_pretrained(folder)


def colqwen2(folder):
    special = ["<|endoftext|>", "<unk>", "<|im_start|>", "<|im_end|>"]
    special += ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = letters(special, pad_token="<|endoftext|>")
    images = Qwen2VLImageProcessor(size={"shortest_edge": 28 * 28, "longest_edge": 56 * 84})
    ColQwen2Processor(images, tokenizer).save_pretrained(folder)
    vlm = Qwen2VLConfig(
        vision_config={"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2},
        text_config={
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]},
            **SMALL,
            **HEADS,
        },
        image_token_id=6,
        video_token_id=7,
        vision_start_token_id=4,
        vision_end_token_id=5,
    )
    ColQwen2ForRetrieval(ColQwen2Config(vlm_config=vlm, embedding_dim=DIM)).save_pretrained(folder)


@pytest.fixture(scope="module", params=[colpali, colqwen2], ids=["colpali", "colqwen2"])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    torch.manual_seed(3)
    request.param(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    return models.load(str(folder), "1")


def test_as_the_processor_says(encoder):
    """One input alone has no padding: its rows are the network's, row by row."""
    picture = Image.new("RGB", (60, 40), "red")
    for kind, item, batch in (
        ("picture", picture, encoder.processor.process_images(images=[picture])),
        ("query", "a red tram", encoder.processor.process_queries(text=["a red tram"])),
    ):
        batch.pop("labels", None)
        want = encoder.network(**batch).embeddings[0].detach().numpy()
        (got,) = encoder(kind, [item])
        assert got.shape == (batch["input_ids"].shape[1], DIM)
        np.testing.assert_allclose(got, want, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)


def test_padding_is_dropped(encoder):
    inputs = {
        "picture": [Image.new("RGB", s, "red") for s in [(28, 28), (84, 56), (56, 56)]],
        "query": ["a", "a longer query"],
    }
    for kind, items in inputs.items():
        for item, got in zip(items, encoder(kind, items), strict=True):
            (alone,) = encoder(kind, [item])
            assert got.shape == alone.shape
            np.testing.assert_allclose(got, alone, atol=1e-4)


def test_segment_is_its_stills(encoder):
    client = TestClient(create(encoder, "col", "1"), raise_server_exceptions=False)
    red, blue = uri((56, 28)), uri((84, 56), "blue")
    one, two = (rows(client.post("/pooling", json=ask(u))) for u in (red, blue))
    both = rows(client.post("/pooling", json=ask(red, blue)))
    np.testing.assert_allclose(both, np.concatenate([one, two]), atol=1e-4)
    (model,) = client.get("/v1/models").json()["data"]
    assert (model["dim"], model["kind"]) == (DIM, "multi")


def test_adapter_is_merged(folder, encoder, tmp_path):
    names = ["q_proj", "embedding_proj_layer"]
    config = LoraConfig(task_type="FEATURE_EXTRACTION", r=2, target_modules=names)
    network = get_peft_model(models.load(str(folder), "1").network, config)
    torch.manual_seed(2)
    for name, weight in network.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight)
    network.save_pretrained(tmp_path)
    adapted = models.load(str(tmp_path), "1", str(folder), "1")
    assert not np.allclose(adapted("query", ["red"])[0], encoder("query", ["red"])[0], atol=0.05)
    batch = adapted.processor.process_queries(text=["red"])
    want = network.eval()(**batch).embeddings[0].detach().numpy()
    np.testing.assert_allclose(adapted("query", ["red"])[0], want, atol=1e-4)


def test_projection_must_be_there(encoder, tmp_path):
    weights = {k: v for k, v in encoder.network.state_dict().items() if "proj_layer" not in k}
    encoder.network.save_pretrained(tmp_path, state_dict=weights)
    encoder.processor.save_pretrained(tmp_path)
    with pytest.raises(Refused, match="embedding_proj_layer"):
        models.load(str(tmp_path), "1")
