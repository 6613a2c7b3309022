import base64
import threading
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file
from starlette.testclient import TestClient
from wire import ask, rows, uri

from embedder import models
from embedder.batch import Batcher
from embedder.server import create


@pytest.fixture(scope="module")
def encoder(tiny):
    return models.load(str(tiny), "1", merged=True)


@pytest.fixture(scope="module")
def client(encoder):
    return TestClient(create(encoder, "tiny", "1"), raise_server_exceptions=False)


def adapt(tiny, tmp_path, drop=()):
    """A LoRA adapter of the tiny model, with weights that change what it answers."""
    base = models.load(str(tiny), "1", merged=True).network
    config = LoraConfig(
        task_type="FEATURE_EXTRACTION",  # as colSmol-500M and cogflow's adapters have it
        r=2,
        target_modules=["q_proj", "linear"],
        base_model_name_or_path=str(tiny),
    )
    network = get_peft_model(base, config)
    torch.manual_seed(2)
    for name, weight in network.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight)
    network.save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    weights = {k: v for k, v in load_file(file).items() if not any(d in k for d in drop)}
    save_file(weights, file)


def test_batch_equals_single(encoder):
    pictures = [Image.new("RGB", s, "red") for s in [(64, 64), (128, 64), (100, 128)]]
    together = encoder("picture", pictures)
    assert len({len(r) for r in together}) > 1
    for picture, got in zip(pictures, together, strict=True):
        (alone,) = encoder("picture", [picture])
        np.testing.assert_allclose(got, alone, atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-4)
    short, long = encoder("query", ["a", "a longer query"])
    assert len(short) < len(long)


def test_segment_is_its_stills(client):
    one, two = rows(client.post("/pooling", json=ask(uri()))), uri((128, 64), "blue")
    both = rows(client.post("/pooling", json=ask(uri(), two)))
    np.testing.assert_allclose(both[: len(one)], one, atol=1e-4)
    assert len(both) > len(one)


def test_many_stills_keep_their_order(client):
    uris = [
        uri(s, c)
        for c in ("red", "blue", "green", "white")
        for s in [(64, 64), (128, 64), (20, 30)]
    ]
    alone = np.concatenate([rows(client.post("/pooling", json=ask(u))) for u in uris])
    together = rows(client.post("/pooling", json=ask(*uris)))
    np.testing.assert_allclose(together, alone, atol=1e-4)


def said(text):
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


def test_texts_of_messages_and_lists(client):
    """A message without pictures is a query, as for vLLM, and a list is several queries."""
    red, blue = (rows(client.post("/pooling", json={"input": t})) for t in ("red", "blue tram"))
    np.testing.assert_allclose(rows(client.post("/pooling", json=said("red"))), red, atol=1e-5)
    plain = {"messages": [{"role": "user", "content": "red"}]}
    np.testing.assert_allclose(rows(client.post("/pooling", json=plain)), red, atol=1e-5)
    many = {"input": ["red", "blue tram"] * 5, "is_query": True}
    data = client.post("/pooling", json=many).json()["data"]
    assert [d["index"] for d in data] == list(range(10))
    for item, alone in zip(data, [red, blue] * 5, strict=True):
        np.testing.assert_allclose(item["data"], alone, atol=1e-4)


@pytest.mark.parametrize(("order", "mark"), [("little", "<"), ("big", ">")])
def test_base64(client, order, mark):
    more = {"encoding_format": "base64", "embed_dtype": "float32", "endianness": order}
    plain = rows(client.post("/pooling", json={"input": "red"}))
    item = client.post("/pooling", json={"input": "red", **more}).json()["data"][0]
    got = np.frombuffer(base64.b64decode(item["data"]), mark + "f4").reshape(item["shape"])
    np.testing.assert_allclose(got, plain, atol=1e-5)


def test_models_and_health(client):
    (model,) = client.get("/v1/models").json()["data"]
    assert (model["dim"], model["kind"], model["revision"]) == (128, "multi", "1")
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"input": " "}, "invalid_request"),
        ({"input": []}, "invalid_request"),
        ({"input": ["x", 1]}, "invalid_request"),
        ({"input": ["x"] * 257}, "invalid_request"),
        ({"input": "x", "is_query": False}, "no_role"),
        (said(""), "invalid_request"),
        (said(1), "invalid_request"),
        ({"messages": [{"role": "user", "content": []}]}, "invalid_request"),
        ({"input": "x", "task": "embed"}, "bad_task"),
        ({"input": "x", "encoding_format": "hex"}, "invalid_request"),
        (ask("http://127.0.0.1/a.jpg"), "not_a_data_uri"),
        (ask("file:///etc/passwd"), "not_a_data_uri"),
        (ask("data:image/png;base64,####"), "bad_base64"),
        (ask("data:image/png;base64,AAAA"), "bad_picture"),
        (ask(uri((300, 300))[:422]), "bad_picture"),
        (ask(uri((9000, 9000))), "too_many_pixels"),
    ],
)
def test_refusals(client, body, code):
    response = client.post("/pooling", json=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["code"] == code


def test_adapter_is_merged(tiny, tmp_path, encoder):
    adapt(tiny, tmp_path)
    adapted = models.load(str(tmp_path), "1", str(tiny), "1")
    assert not np.allclose(adapted("query", ["red"])[0], encoder("query", ["red"])[0], atol=0.05)


def test_half_an_adapter_is_refused(tiny, tmp_path):
    adapt(tiny, tmp_path, drop=["linear"])
    with pytest.raises(models.Refused, match="does not fit"):
        models.load(str(tmp_path), "1", str(tiny), "1")


def test_overload(encoder):
    stuck = threading.Event()

    def wait(kind, items):
        assert stuck.wait(60)
        return encoder(kind, items)

    client = TestClient(create(encoder, "tiny", "1", Batcher(wait, size=1, wait=0, depth=1)))
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.post, "/pooling", json={"input": "x"}) for _ in range(4)]
        done, _ = futures.wait(asked, timeout=60, return_when=futures.FIRST_COMPLETED)
        assert done
        stuck.set()
        answers = [a.result() for a in asked]
    refused = [a for a in answers if a.status_code == 503]
    assert refused
    assert all(a.headers["Retry-After"] == "1" for a in refused)
    assert all(a.status_code in (200, 503) for a in answers)


def test_refused_models(tiny, tmp_path):
    with pytest.raises(models.Refused, match="without its adapter"):
        models.load(str(tiny), "1")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(models.Refused, match="pickled"):
        models.load(str(tmp_path), "1", merged=True)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "config.json").write_text('{"auto_map": {}, "model_type": "idefics3"}')
    with pytest.raises(models.Refused, match="never executed"):
        models.load(str(tmp_path), "1", merged=True)


@pytest.mark.parametrize(
    ("kind", "adapter", "text"),
    [("qwen2_vl", True, "names end in -hf"), ("llama", False, "supported: idefics3")],
)
def test_unknown_types(tmp_path, kind, adapter, text):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "config.json").write_text(f'{{"model_type": "{kind}"}}')
    if adapter:
        (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(models.Refused, match=text):
        models.load(str(tmp_path), "1", base=str(tmp_path))


def test_pool_frames_is_for_videoprism(tiny):
    with pytest.raises(models.Refused, match="leave it out"):
        models.load(str(tiny), "1", merged=True, pool_frames=2)
