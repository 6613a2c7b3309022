"""QLoRA: a base in 4 bits trains as with plain TRL and bitsandbytes, survives kills, and its
adapter fits the base in 16 bits."""

import importlib.util
import json
import shutil
import sys

import jobs as make
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from process import attempt
from test_kill import checkpoints, differences, losses
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils.import_utils import is_bitsandbytes_available
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from trainer import device, quantized, run
from trainer import job as jobs
from trainer.__main__ import hide_unused
from trainer.fault import Input

ROWS = {"sft": make.chats(14), "dpo": make.pairs(14)}
HELD_OUT = {"sft": make.chats(4, 40), "dpo": make.pairs(4, 40)}
TRL = {"sft": (SFTConfig, SFTTrainer), "dpo": (DPOConfig, DPOTrainer)}


def four_bits(folder):
    """The base as a user of plain transformers loads it."""
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    return AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=config, device_map={"": "cpu"}, dtype=torch.float32
    )


@pytest.mark.parametrize(
    ("method", "checkpointing"), [("sft", False), ("sft", True), ("dpo", False)]
)
def test_losses_are_those_of_a_plain_script(
    tmp_path, model, train, monkeypatch, method, checkpointing
):
    """The only difference from TRL is that the adapter stays fp32."""
    config, kind = TRL[method]
    plain = kind(
        model=four_bits(model),
        args=config(**make.plain(tmp_path, max_length=64, gradient_checkpointing=checkpointing)),
        train_dataset=Dataset.from_list(ROWS[method]),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules=make.LORA["target_modules"]
        ),
    )
    for p in plain.model.parameters():
        if p.requires_grad:
            p.data = p.data.float()
    plain.train()
    theirs = [x for x in plain.state.log_history if "loss" in x]
    arguments = run.arguments
    monkeypatch.setattr(
        run, "arguments", lambda job: arguments(job) | {"gradient_checkpointing": checkpointing}
    )
    d = make.document(
        tmp_path,
        model,
        method,
        ROWS[method],
        HELD_OUT[method],  # an evaluation changes nothing
        epochs=2,
        learning_rate=5e-3,
        load_in_4bit=True,
    )
    ours = [e for e in train(d) if e["event"] == "step"]
    assert len(ours) == 14
    assert [e["loss"] for e in ours] == pytest.approx([x["loss"] for x in theirs], abs=1e-5)
    norms = [e["metrics"]["grad_norm"] for e in ours]
    assert norms == pytest.approx([x["grad_norm"] for x in theirs], rel=1e-3)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_killed_run_ends_as_the_undisturbed_one(tmp_path, random_model, method):
    def document(name, **more):
        shape = {"epochs": 2, "save_steps": 2, "dropout": 0.1, "eval_steps": 3}
        shape |= {"load_in_4bit": True, **more}
        rows = ROWS[method], HELD_OUT[method]
        return make.document(tmp_path / name, random_model, method, *rows, **shape)

    code, whole = attempt(document("whole"))
    assert code == 0, (tmp_path / "whole" / "work/stderr.txt").read_text()
    code, _ = attempt(document("first"), kill=("step", 5))
    assert code == -9
    old = checkpoints(tmp_path / "first/work")[-1]
    shutil.copytree(old, tmp_path / "carried" / old.name)
    code, second = attempt(document("second", resume=str(tmp_path / "carried" / old.name)))
    assert code == 0
    assert min(losses(second)) == int(old.name) + 1
    assert differences(tmp_path / "second/work", second, tmp_path / "whole/work", whole) == []


@pytest.fixture(scope="module")
def published(tmp_path_factory, model):
    """The folder and the events of a run that merges."""
    tmp_path = tmp_path_factory.mktemp("published")
    d = make.document(
        tmp_path,
        model,
        "sft",
        make.prompts(8),
        make.prompts(8),
        epochs=20,
        micro_batch=8,
        learning_rate=1e-2,
        target_modules=["all-linear"],
        merge=True,
        load_in_4bit=True,
    )
    d["model"]["repo"] = "test/repository"
    code, events = attempt(d)
    assert code == 0, (tmp_path / "work/stderr.txt").read_text()
    return tmp_path / "work/output", events


IDS = torch.tensor([[5, 9, 11, 7, 3]])


def test_adapter_names_its_base_and_loads_on_it_in_16_and_4_bits(model, published):
    output, events = published
    config = json.loads((output / "best/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "test/repository"
    assert "quantization_config" not in config
    whole = AutoModelForCausalLM.from_pretrained(model)
    small = four_bits(model)
    quantized.loaded(small)
    ways = [PeftModel.from_pretrained(m, output / "best").eval() for m in (whole, small)]
    best = next(e for e in events if e["event"] == "eval" and e["of"] == "best")
    tokenizer = AutoTokenizer.from_pretrained(model)
    for adapted, tolerance in zip(ways, (0.2, 1e-4), strict=True):
        total = count = 0.0
        for row in make.prompts(8):
            prompt = tokenizer(row["prompt"]).input_ids
            ids = torch.tensor([[*prompt, *tokenizer(row["completion"]).input_ids]])
            ids = torch.cat([ids, torch.tensor([[tokenizer.eos_token_id]])], 1)
            with torch.no_grad():
                scores = adapted(ids).logits[0, :-1].log_softmax(-1)
            at = scores.gather(1, ids[0, 1:, None])[len(prompt) - 1 :]
            total, count = total - at.sum().item(), count + len(at)
        assert total / count == pytest.approx(best["metrics"]["loss"], abs=tolerance)


def test_merge_is_into_the_base_in_its_own_weights(model, published):
    output, _ = published
    base = AutoModelForCausalLM.from_pretrained(model)
    expected = PeftModel.from_pretrained(base, output / "best").merge_and_unload()
    merged = AutoModelForCausalLM.from_pretrained(output / "merged")
    assert "quantization_config" not in json.loads((output / "merged/config.json").read_text())
    for (name, a), (other, b) in zip(
        expected.named_parameters(), merged.named_parameters(), strict=True
    ):
        assert name == other and a.dtype == b.dtype
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("needed", [True, False])
def test_other_jobs_do_not_load_the_library(tmp_path, random_model, monkeypatch, needed):
    """PEFT would import it into every trainer, with its time and memory."""
    d = make.document(tmp_path, random_model, "sft", ROWS["sft"], load_in_4bit=needed)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # restored in the end
    del sys.modules["bitsandbytes"]
    hide_unused(jobs.parse(json.dumps(d)))
    assert is_bitsandbytes_available.__wrapped__() is needed
    assert ("bitsandbytes" in device.describe("cpu")["versions"]) is needed


@pytest.mark.parametrize(("method", "needed"), [("sft", False), ("embedding", True)])
def test_scikit_learn_is_loaded_for_embeddings_only(
    tmp_path, random_model, monkeypatch, method, needed
):
    """transformers would import it for a decoder that no training uses."""
    d = make.document(tmp_path, random_model, method, ROWS["sft"])
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)  # restored in the end
    del sys.modules["sklearn"]
    hide_unused(jobs.parse(json.dumps(d)))
    assert (importlib.util.find_spec("sklearn") is not None) is needed


@pytest.mark.parametrize("measure", [True, False])
def test_without_the_library_the_job_is_refused(
    tmp_path, random_model, train, monkeypatch, measure
):
    """A plan measures, so it is refused before a GPU is taken."""
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    d = make.document(
        tmp_path, random_model, "sft", ROWS["sft"], load_in_4bit=True, measure=measure
    )
    with pytest.raises(Input, match=r"load_in_4bit: bitsandbytes does not load .*requirements"):
        train(d)


def test_a_library_for_another_cuda_is_refused(tmp_path, random_model, train, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "99.1")
    d = make.document(tmp_path, random_model, "dpo", ROWS["dpo"], load_in_4bit=True, measure=True)
    with pytest.raises(Input, match=r"no code for CUDA 99\.1"):
        train(d)


@pytest.mark.parametrize("change", [{"lora": None}, {"method": "embedding"}])
def test_what_cannot_be_quantized_is_refused(tmp_path, random_model, train, change):
    d = make.document(tmp_path, random_model, "sft", ROWS["sft"], load_in_4bit=True) | change
    with pytest.raises(Input, match="load_in_4bit: requires lora"):
        train(d)
