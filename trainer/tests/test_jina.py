"""jina-embeddings-v3, by the class that transformers has for it."""

import json
import shutil
import subprocess
import sys

import jobs
import pytest
import tiny_jina
import torch
from peft import PeftModel
from process import attempt
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from test_kill import differences
from topics import triplets
from transformers import AutoModel, AutoTokenizer

from trainer.fault import Input

TRAIN, HELD_OUT = triplets(40, 1), triplets(8, 2)
SHAPE = {
    "epochs": 2,
    "batch_size": 8,
    "micro_batch": 8,
    "learning_rate": 1e-2,
    "max_seq_length": 32,
    "target_modules": ["k_proj", "o_proj", "q_proj", "v_proj"],
    "dropout": 0.1,
    "save_steps": 2,
}


@pytest.fixture(scope="module")
def jina(tmp_path_factory):
    return tiny_jina.make(tmp_path_factory.mktemp("jina") / "model")


def test_is_laid_out_as_published(jina):
    config = json.loads((jina / "config.json").read_text())
    assert config["model_type"] == "jina_embeddings_v3" and "auto_map" not in config
    assert config["lora_adaptations"][:2] == ["retrieval.query", "retrieval.passage"]
    assert config["lora_adaptations"][-1] == "text-matching"
    names = load_file(jina / "model.safetensors")
    assert "encoder.layers.0.mixer.Wqkv.weight" in names  # the names of the original model
    adapter = json.loads((jina / "retrieval_query/adapter_config.json").read_text())
    assert set(adapter["target_modules"]) == set(tiny_jina.ADAPTED)


@pytest.mark.parametrize("loss", ["triplet", "mnr"])
def test_killed_run_ends_as_the_undisturbed_one(tmp_path, jina, loss):
    def document(folder, **changes):
        changes = {**SHAPE, "loss": loss, **changes}
        return jobs.document(folder, jina, "embedding", TRAIN, HELD_OUT, **changes)

    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    code, events = attempt(document(whole))
    assert code == 0, (whole / "work/stderr.txt").read_text()
    assert attempt(document(first), kill=("step", 7))[0] == -9
    shutil.copytree(first / "work/checkpoints/00000006", second / "carried/00000006")
    again = document(second, resume=str(second / "carried/00000006"))
    code, resumed = attempt(again, patch="on_another_day")
    assert code == 0, (second / "work/stderr.txt").read_text()
    assert differences(second / "work", resumed, whole / "work", events) == []


@pytest.mark.parametrize("targets", [SHAPE["target_modules"], ["all-linear"], ["Wqkv"]])
def test_plan_measures_and_checks_it(tmp_path, jina, train, targets):
    """Without weights; the name of the first, own code is refused before a GPU is taken."""
    shape = SHAPE | {"target_modules": targets, "measure": True}
    d = jobs.document(tmp_path, jina, "embedding", TRAIN, HELD_OUT, **shape)
    if targets == ["Wqkv"]:
        with pytest.raises(Input, match=r"no linear layer 'Wqkv'; it has .*q_proj"):
            train(d)
        return
    events = train(d)
    (data,) = (e["data"] for e in events if e["event"] == "data")
    assert data["rows"] == len(TRAIN) and data["tokens"] > 0
    assert events[-1]["event"] == "done"


# What a user runs with the published adapter; nothing of this project is imported.
PLAIN = """
import json, sys, torch
from sentence_transformers import SentenceTransformer
torch.set_num_threads(1)
base, adapter, texts, out = sys.argv[1:]
model = SentenceTransformer(base, device="cpu")
model.max_seq_length = 32
model.load_adapter(adapter)
torch.save(model.encode(json.load(open(texts)), convert_to_tensor=True), out)
"""


@pytest.mark.parametrize("targets", [SHAPE["target_modules"], ["all-linear"]])
def test_published_adapter_gives_equal_embeddings_in_sentence_transformers(
    tmp_path, jina, train, monkeypatch, targets
):
    from trainer import run

    texts, kept, publish = [r["anchor"] for r in HELD_OUT], [], run._publish

    def look(session):
        publish(session)
        kept.append(session.method.model.eval().encode(texts, convert_to_tensor=True))

    monkeypatch.setattr(run, "_publish", look)
    shape = SHAPE | {"target_modules": targets, "dropout": 0.0}
    d = jobs.document(tmp_path, jina, "embedding", TRAIN, HELD_OUT, **shape)
    d["model"] |= {"repo": "jinaai/jina-embeddings-v3-hf"}
    train(d)
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    best, out = tmp_path / "work/output/best", tmp_path / "vectors.pt"
    paths = [jina, best, tmp_path / "texts.json", out]
    subprocess.run([sys.executable, "-c", PLAIN, *map(str, paths)], check=True)
    assert torch.equal(torch.load(out), kept[0])
    plain = SentenceTransformer(str(jina), device="cpu").encode(texts, convert_to_tensor=True)
    assert not torch.allclose(plain, kept[0], atol=1e-2)
    config = json.loads((best / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "jinaai/jina-embeddings-v3-hf"


def test_whole_model_is_published_and_read_back(tmp_path, jina, train):
    shape = SHAPE | {"lora": None, "learning_rate": 1e-3}
    train(jobs.document(tmp_path, jina, "embedding", TRAIN[:16], HELD_OUT, **shape))
    output = tmp_path / "work/output/best"
    own = SentenceTransformer(str(output), device="cpu")
    assert type(own[0].model).__name__ == "JinaEmbeddingsV3Model"
    before = SentenceTransformer(str(jina), device="cpu").encode("red", convert_to_tensor=True)
    assert not torch.allclose(own.encode("red", convert_to_tensor=True), before, atol=1e-3)


def test_adapter_of_a_task_can_be_merged_and_trained_on(tmp_path, jina, train):
    """As the documentation says it."""
    base = AutoModel.from_pretrained(jina)
    merged = PeftModel.from_pretrained(base, jina, subfolder="retrieval_passage")
    merged.merge_and_unload().save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(jina).save_pretrained(tmp_path / "merged")
    ids = AutoTokenizer.from_pretrained(jina)("red green", return_tensors="pt")
    adapted = AutoModel.from_pretrained(jina)
    adapted = PeftModel.from_pretrained(adapted, jina, subfolder="retrieval_passage").eval()
    own = AutoModel.from_pretrained(tmp_path / "merged").eval()
    with torch.no_grad():
        expected = adapted(**ids).last_hidden_state
        torch.testing.assert_close(own(**ids).last_hidden_state, expected, atol=1e-4, rtol=1e-4)
    rows = TRAIN[:16], HELD_OUT
    events = train(jobs.document(tmp_path, tmp_path / "merged", "embedding", *rows, **SHAPE))
    assert events[-1]["event"] == "done"


def test_original_repository_is_refused_with_the_one_to_use(tmp_path, jina, train):
    folder = shutil.copytree(jina, tmp_path / "original")
    config = json.loads((folder / "config.json").read_text()) | {
        "architectures": ["XLMRobertaLoRA"],
        "auto_map": {
            "AutoModel": "jinaai/xlm-roberta-flash-implementation--modeling_lora.XLMRobertaLoRA"
        },
    }
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    d = jobs.document(tmp_path, folder, "embedding", TRAIN, HELD_OUT, **SHAPE)
    with pytest.raises(Input, match="use jinaai/jina-embeddings-v3-hf") as refused:
        train(d)
    assert "auto_map" in str(refused.value)
