import base64

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from starlette.testclient import TestClient
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers import models as tokens
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    JinaEmbeddingsV3Config,
    JinaEmbeddingsV3Model,
    PreTrainedTokenizerFast,
)
from wire import ask, refusal, rows, uri

from embedder import models
from embedder.encoder import Refused
from embedder.server import create

DIM, LONGEST = 16, 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    bert, folder = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("sentences")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {t: i for i, t in enumerate(special + [chr(c) for c in range(32, 127)])}
    raw = Tokenizer(tokens.WordLevel(vocabulary, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", model_max_length=LONGEST
    ).save_pretrained(bert)
    torch.manual_seed(4)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=DIM,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=LONGEST,
    )
    BertModel(config).save_pretrained(bert)
    modules = [Transformer(str(bert), max_seq_length=LONGEST), Pooling(DIM)]
    SentenceTransformer(modules=modules).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def client(folder):
    encoder = models.load(str(folder), "1")
    return TestClient(create(encoder, "words", "1"), raise_server_exceptions=False)


def post(client, given, **more):
    return client.post("/v1/embeddings", json={"model": "words", "input": given, **more})


def vectors(response):
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    assert [d["index"] for d in data] == list(range(len(data)))
    assert {d["object"] for d in data} == {"embedding"}
    return [d["embedding"] for d in data]


def test_order_and_values(client, folder):
    texts = ["a longer text by far"] + [f"text {i}" for i in range(70)]
    got = np.array(vectors(post(client, texts)))
    want = SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True)
    assert got.shape == (71, DIM)
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_one_text_and_usage(client):
    response = post(client, "abc")
    assert len(vectors(response)) == 1
    assert response.json()["object"] == "list"
    assert response.json()["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert post(client, ["abc", "d"]).json()["usage"]["prompt_tokens"] == 8


def test_base64(client):
    (plain,) = vectors(post(client, "abc"))
    (packed,) = vectors(post(client, "abc", encoding_format="base64", dimensions=DIM))
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(packed), "<f4"), plain, atol=1e-6)


def test_pooling_answers_the_same(client):
    (plain,) = vectors(post(client, "abc"))
    got = rows(client.post("/pooling", json={"input": "abc", "task": "embed"}))
    np.testing.assert_allclose(got, plain, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"input": []}, "invalid_request", "1 to 2048"),
        ({"input": ["a", ""]}, "invalid_request", "1 to 32768 characters"),
        ({"input": [[1, 2]]}, "invalid_request", "token ids"),
        ({"input": "a", "encoding_format": "hex"}, "invalid_request", "float or base64"),
        ({"input": "a", "dimensions": 4}, "invalid_request", "leave dimensions out"),
        ({"input": "a" * 31}, "context_length_exceeded", "has 33 tokens, the model takes 32"),
    ],
)
def test_refusals(client, body, code, text):
    found, message = refusal(client.post("/v1/embeddings", json=body))
    assert found == code
    assert text in message


def test_wrong_model_and_pictures(client, tiny):
    assert refusal(post(client, "a", model="other"), 404)[0] == "model_not_found"
    body = ask(uri(), task="embed")
    assert refusal(client.post("/pooling", json=body))[0] == "no_pictures"
    many = create(models.load(str(tiny), "1", merged=True), "tiny", "1")
    code, message = refusal(TestClient(many).post("/v1/embeddings", json={"input": "a"}))
    assert (code, "/pooling" in message) == ("bad_task", True)


def test_refused_folders(folder, tmp_path):
    network = SentenceTransformer(str(folder), device="cpu")
    network.save_pretrained(str(tmp_path))
    inner = network[0].auto_model
    weights = {k: v for k, v in inner.state_dict().items() if "encoder.layer.0.output" not in k}
    inner.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(Refused, match="lacks weights"):
        models.load(str(tmp_path), "1")
    modules = (tmp_path / "modules.json").read_text()
    (tmp_path / "modules.json").write_text(modules.replace("sentence_transformers.", "mine."))
    with pytest.raises(Refused, match="own code"):
        models.load(str(tmp_path), "1")


@pytest.fixture(scope="module")
def jina(folder, tmp_path_factory):
    """A folder of transformers alone, as jinaai/jina-embeddings-v3-hf is one."""
    path = tmp_path_factory.mktemp("jina")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(path)
    torch.manual_seed(5)
    config = JinaEmbeddingsV3Config(
        vocab_size=len(tokenizer),
        hidden_size=DIM,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=LONGEST,
        pad_token_id=0,
    )
    JinaEmbeddingsV3Model(config).save_pretrained(path)
    return path


@pytest.mark.parametrize("base", ["folder", "jina"])
def test_adapter_of_a_text_encoder(base, request, tmp_path):
    below = request.getfixturevalue(base)
    names = {"folder": ["query", "value"], "jina": ["q_proj", "v_proj", "fc1"]}[base]
    config = LoraConfig(
        task_type="FEATURE_EXTRACTION",
        r=4,
        lora_alpha=32,
        target_modules=names,
        init_lora_weights=False,
    )
    inner = SentenceTransformer(str(below), device="cpu")[0].model
    get_peft_model(inner, config).save_pretrained(tmp_path)
    served = models.load(str(tmp_path), "1", base=str(below))
    texts = ["a text", "and a longer one"]
    plain = SentenceTransformer(str(below), device="cpu")
    before = plain.encode(texts, normalize_embeddings=True)
    plain.load_adapter(str(tmp_path))
    got = np.concatenate(served("query", texts))
    np.testing.assert_allclose(got, plain.encode(texts, normalize_embeddings=True), atol=1e-5)
    assert not np.allclose(got, before, atol=1e-2)


def test_prompts_of_roles(folder, tmp_path):
    """A model with prompts for queries and for documents embeds each text with its own."""
    plain = SentenceTransformer(str(folder), device="cpu")
    plain.prompts = {"query": "find: ", "passage": "keep: "}
    plain.save_pretrained(str(tmp_path))
    client = TestClient(create(models.load(str(tmp_path), "1"), "words", "1"))
    want = plain.encode(["find: tea", "keep: tea", "tea"], prompt="", normalize_embeddings=True)
    names = [("query", "document"), ("search_query", "search_document"), ("query", "passage")]
    for query, document in names:
        got = [vectors(post(client, "tea", input_type=r))[0] for r in (query, document)]
        np.testing.assert_allclose(got, want[:2], atol=1e-4)
    task = vectors(post(client, "tea", task="retrieval.query"))
    np.testing.assert_allclose(task[0], want[0], atol=1e-4)
    np.testing.assert_allclose(vectors(post(client, "tea"))[0], want[2], atol=1e-4)
    assert refusal(post(client, "tea", input_type="poem"))[0] == "invalid_request"
    long = "x" * (LONGEST - 5)  # it fits, but not with the prompt
    assert refusal(post(client, long, input_type="query"))[0] == "context_length_exceeded"


def test_model_without_prompts_has_no_roles(client):
    assert refusal(post(client, "tea", input_type="query"))[0] == "no_role"
