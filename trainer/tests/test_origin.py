"""A job that continues a published adapter begins where that one ended."""

import hashlib
import json
import math
import shutil

import jobs as make
import pytest
import torch
from datasets import Dataset
from peft import PeftModel
from process import attempt
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from trainer import tiny
from trainer.fault import Input

WEIGHTS = "adapter_model.safetensors"
LEARN = {"epochs": 2, "learning_rate": 5e-3}


def of(folder):
    """job.start for a published adapter."""
    path = folder / WEIGHTS
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.fixture(scope="module")
def first(tmp_path_factory, random_model):
    """An adapter that SFT made, and its evaluation."""
    folder = tmp_path_factory.mktemp("first")
    d = make.document(folder, random_model, "sft", make.chats(15), make.chats(4, 40), **LEARN)
    code, events = attempt(d)
    assert code == 0, (folder / "work/stderr.txt").read_text()
    return folder / "work/output/best", make.evaluations(events)


def logits(random_model, folder, text="item 3"):
    """What plain PEFT answers with an adapter over the bare base."""
    base = AutoModelForCausalLM.from_pretrained(random_model)
    ids = AutoTokenizer.from_pretrained(random_model)(text, return_tensors="pt")
    with torch.no_grad():
        return PeftModel.from_pretrained(base, folder).eval()(**ids).logits


def test_base_is_what_it_started_from(tmp_path, random_model, train, first):
    folder, before = first
    rows = (make.chats(15), make.chats(4, 40))
    d = make.document(tmp_path, random_model, "sft", *rows, start=of(folder), **LEARN)
    found = make.evaluations(train(d))
    assert found["base"]["loss"] == before["best"]["loss"] != before["base"]["loss"]
    assert found["best"]["loss"] < before["best"]["loss"]
    out = tmp_path / "work/output/best"
    assert sorted(p.name for p in out.iterdir()) == ["adapter_config.json", WEIGHTS]
    assert {k: v.shape for k, v in load_file(out / WEIGHTS).items()} == {
        k: v.shape for k, v in load_file(folder / WEIGHTS).items()
    }
    assert not torch.equal(logits(random_model, out), logits(random_model, folder))


def test_without_a_step_it_is_the_same_adapter(tmp_path, random_model, train, first):
    folder, _ = first
    changes = {"start": of(folder), "learning_rate": 0.0, "merge": True}
    for method, rows in (("sft", make.chats(4)), ("dpo", make.pairs(4))):
        d = make.document(tmp_path / method, random_model, method, rows, **changes)
        train(d)
        out = tmp_path / method / "work/output"
        assert torch.equal(logits(random_model, out / "best"), logits(random_model, folder))
        ids = AutoTokenizer.from_pretrained(random_model)("item 3", return_tensors="pt")
        with torch.no_grad():
            merged = AutoModelForCausalLM.from_pretrained(out / "merged")(**ids).logits
        torch.testing.assert_close(merged, logits(random_model, folder), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_losses_are_those_of_trl_with_a_trained_adapter(
    tmp_path, random_model, train, first, method
):
    folder, _ = first
    config, kind, rows, more = {
        "sft": (SFTConfig, SFTTrainer, make.chats(14), {}),
        "dpo": (DPOConfig, DPOTrainer, make.pairs(14), {"beta": 0.1}),
        "kto": (KTOConfig, KTOTrainer, make.rated(14), {"beta": 0.1}),
    }[method]
    base = AutoModelForCausalLM.from_pretrained(random_model)
    plain = kind(
        model=PeftModel.from_pretrained(base, folder, is_trainable=True),
        args=config(**make.plain(tmp_path, max_length=64, **more)),
        train_dataset=Dataset.from_list(rows).shuffle(seed=7)
        if method == "kto"  # TRL has no other order in training
        else Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(random_model),
    )
    plain.train()
    theirs = [x["loss"] for x in plain.state.log_history if "loss" in x]
    d = make.document(tmp_path, random_model, method, rows, start=of(folder), **LEARN)
    ours = [e["loss"] for e in train(d) if e["event"] == "step"]
    assert ours == pytest.approx(theirs, abs=1e-5)
    if method != "sft":
        start = math.log(2) if method == "dpo" else 0.5
        assert ours[0] == pytest.approx(start, abs=1e-6), "the reference is the adapter"
        assert ours[-1] != pytest.approx(start, abs=1e-3)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_killed_run_ends_as_the_undisturbed_one(tmp_path, random_model, first, method):
    folder, _ = first
    rows = {"sft": (make.chats(9), make.chats(3, 40)), "dpo": (make.pairs(9), make.pairs(3, 40))}

    def document(name):
        shutil.copytree(folder, tmp_path / name / "start")
        more = {"dropout": 0.1, "save_steps": 2, "start": of(tmp_path / name / "start")}
        return make.document(tmp_path / name, random_model, method, *rows[method], **LEARN, **more)

    assert attempt(document("whole"))[0] == 0
    assert attempt(document("killed"), kill=("step", 7))[0] == -9
    d = document("resumed")
    d["resume"] = str(tmp_path / "killed" / "work/checkpoints/00000006")
    assert attempt(d)[0] == 0
    for path in sorted((tmp_path / "whole" / "work/output/best").iterdir()):
        twin = tmp_path / "resumed" / "work/output/best" / path.name
        assert path.read_bytes() == twin.read_bytes(), path.name
    for name in ("base", "best"):
        path = f"work/evals/{name}.jsonl"
        whole, resumed = (tmp_path / n / path for n in ("whole", "resumed"))
        assert whole.read_text() == resumed.read_text()


def test_embedding_models_continue_too(tmp_path, train):
    encoder_model = tiny.make("encoder", tmp_path / "encoder")
    rows = [{"anchor": f"item {i}", "positive": f"new {i}", "negative": "old"} for i in range(8)]
    targets = {"target_modules": ["all-linear"], "epochs": 2, "learning_rate": 1e-2}
    d = make.document(tmp_path / "a", encoder_model, "embedding", rows, rows[:3], **targets)
    before = make.evaluations(train(d))
    start = of(tmp_path / "a" / "work/output/best")
    d = make.document(
        tmp_path / "b", encoder_model, "embedding", rows, rows[:3], start=start, **targets
    )
    found = make.evaluations(train(d))
    assert found["base"]["loss"] == before["best"]["loss"] != before["base"]["loss"]


def test_what_does_not_fit_is_refused(tmp_path, random_model, train, first):
    folder, _ = first

    def refused(match, **changes):
        rows = make.chats(4)
        d = make.document(tmp_path, random_model, "sft", rows, **{"start": of(folder)} | changes)
        with pytest.raises(Input, match=match):
            train(d)

    refused("does not fit job.lora", r=4)
    refused("does not fit job.lora", target_modules=["q_proj"])
    refused("does not fit job.lora", target_modules=["all-linear"])
    refused("has SHA-256", start={**of(folder), "sha256": "0" * 64})
    refused("cannot read", start={**of(folder), "path": "/nowhere/x.safetensors"})
    refused("requires lora", lora=None)
    refused("is not absolute", start={**of(folder), "path": "x.safetensors"})
    (tmp_path / "p").mkdir()
    torch.save({"a": torch.zeros(1)}, tmp_path / "p" / WEIGHTS)
    refused("does not fit", start=of(tmp_path / "p"))
    save_file({"a": torch.zeros(1)}, tmp_path / "p" / WEIGHTS)
    refused("is on one side only", start=of(tmp_path / "p"))
    assert json.loads((folder / "adapter_config.json").read_text())["r"] == 8
