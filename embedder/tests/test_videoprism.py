import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient
from transformers import (
    LlavaOnevisionVideoProcessor,
    VideoPrismClipModel,
    VideoPrismConfig,
    VideoPrismTextConfig,
    VideoPrismTokenizer,
    VideoPrismVisionConfig,
    VideoPrismVisionModel,
)
from wire import ask, refusal, rows, uri

from embedder import models, videoprism
from embedder.encoder import Refused
from embedder.server import create

FRAMES, PATCHES, DIM = 4, 4, 16


@pytest.fixture(scope="module")
def vision():
    return VideoPrismVisionConfig(
        image_size=36,
        num_frames=FRAMES,
        hidden_size=DIM,
        intermediate_size=32,
        num_attention_heads=2,
        num_spatial_layers=1,
        num_temporal_layers=1,
        num_auxiliary_layers=1,
    )


@pytest.fixture(scope="module")
def base(vision, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(1)
    VideoPrismVisionModel(vision).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def lvt(vision, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lvt")
    letters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    letters += [(chr(c), -3.0) for c in range(33, 127)]
    text = VideoPrismTextConfig(
        vocab_size=len(letters),
        hidden_size=DIM,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=24,
    )
    torch.manual_seed(2)
    config = VideoPrismConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    VideoPrismClipModel(config).save_pretrained(folder)
    VideoPrismTokenizer(letters, extra_ids=0, additional_special_tokens=[]).save_pretrained(folder)
    return folder


def client(encoder):
    return TestClient(create(encoder, "prism", "1"), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("stills", "want"),
    [(4, [0, 1, 2, 3]), (1, [0] * 4), (2, [0, 0, 1, 1]), (3, [0, 1, 1, 2]), (8, [1, 3, 5, 7])],
)
def test_spread(stills, want):
    assert videoprism.spread(stills, 4) == want


def test_tokens_of_a_clip(base):
    server = client(models.load(str(base), "1"))
    got = rows(server.post("/pooling", json=ask(uri(), uri((50, 20), "blue"))))
    assert got.shape == (FRAMES * PATCHES, DIM)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    (model,) = server.get("/v1/models").json()["data"]
    assert (model["dim"], model["kind"]) == (DIM, "multi")
    red, blue = ([Image.new("RGB", (36, 36), c)] * 2 for c in ("red", "blue"))
    clip = torch.from_numpy(np.stack(red + blue)).permute(0, 3, 1, 2)[None] / 255
    network = VideoPrismVisionModel.from_pretrained(base)
    want = network(pixel_values_videos=clip).last_hidden_state[0]
    want = torch.nn.functional.normalize(want, dim=-1).detach().numpy()
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_pixels_are_the_processor_s(base):
    encoder = models.load(str(base), "1")
    noise = np.random.default_rng(1).integers(0, 256, (72, 96, 3), dtype=np.uint8)
    smooth = Image.fromarray(noise).resize((200, 100), Image.Resampling.BICUBIC)
    clip = np.stack([encoder.prepare(smooth)] * FRAMES)
    processor = LlavaOnevisionVideoProcessor(
        size={"height": 36, "width": 36}, do_normalize=False, do_sample_frames=False
    )
    want = processor(videos=[[smooth] * FRAMES], return_tensors="pt")["pixel_values_videos"]
    assert encoder.pixels(clip).shape == want.shape
    np.testing.assert_allclose(encoder.pixels(clip), want, atol=1.5 / 255)


def test_pooled_frames(base):
    everything = models.load(str(base), "1")
    clip = np.stack(
        [everything.prepare(Image.new("RGB", (9, 9), (40 * i, 0, 0))) for i in range(4)]
    )
    (pooled,) = models.load(str(base), "1", pool_frames=2)("clip", [clip])
    raw = everything.network(pixel_values_videos=everything.pixels(clip)).last_hidden_state
    want = raw[0].detach().view(2, 2, PATCHES, DIM).mean(1).reshape(-1, DIM)
    want = torch.nn.functional.normalize(want, dim=-1)
    np.testing.assert_allclose(pooled, want, atol=1e-4)
    with pytest.raises(Refused, match="must divide the model's 4 frames"):
        models.load(str(base), "1", pool_frames=3)


def test_no_text_tower(base):
    code, message = refusal(
        client(models.load(str(base), "1")).post("/pooling", json={"input": "a"})
    )
    assert code == "no_text"
    assert "lvt" in message


def test_clip_and_text_share_a_space(lvt):
    server = client(models.load(str(lvt), "1"))
    clip = rows(server.post("/pooling", json=ask(uri(), task="embed")))
    text = rows(server.post("/pooling", json={"input": "a red tram.", "task": "embed"}))
    for vector in (clip, text):
        assert vector.shape == (DIM,)
        np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)
    same = rows(server.post("/pooling", json={"input": "A  red tram!", "task": "embed"}))
    np.testing.assert_allclose(same, text, atol=1e-5)
    other = rows(server.post("/pooling", json={"input": "a blue tram", "task": "embed"}))
    assert not np.allclose(other, text, atol=1e-3)
    network = VideoPrismClipModel.from_pretrained(lvt)
    tokenizer = VideoPrismTokenizer.from_pretrained(lvt)
    batch = tokenizer(["a red tram."], padding="max_length", max_length=24, return_tensors="pt")
    want = network.get_text_features(**batch).pooler_output[0].detach()
    np.testing.assert_allclose(text, torch.nn.functional.normalize(want, dim=-1), atol=1e-4)


def test_clip_refusals(lvt):
    server = client(models.load(str(lvt), "1"))
    assert refusal(server.post("/pooling", json=ask(uri())))[0] == "bad_task"
    code, message = refusal(server.post("/pooling", json={"input": "a" * 40}))
    assert code == "context_length_exceeded"
    assert "takes 24" in message
    with pytest.raises(Refused, match="leave --pool-frames out"):
        models.load(str(lvt), "1", pool_frames=2)


def test_lacking_weights_are_refused(vision, base, tmp_path):
    network = VideoPrismVisionModel.from_pretrained(base)
    weights = {k: v for k, v in network.state_dict().items() if "layernorm2" not in k}
    network.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(Refused, match="layernorm2"):
        models.load(str(tmp_path), "1")
