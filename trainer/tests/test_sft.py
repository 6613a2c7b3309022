"""SFT learns its rows, and the published adapter gives the outputs of the trained one."""

import json
import math

import jobs as make
import pytest
import torch
from peft import PeftModel
from test_job import check_events
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainer import answers, tiny
from trainer import job as jobs
from trainer import model as models

LEARN = {"r": 16, "target_modules": ["all-linear"], "learning_rate": 1e-2, "max_seq_length": 64}


@pytest.fixture(scope="module")
def rows():
    return make.prompts(8)


def of(events, kind):
    return [e for e in events if e["event"] == kind]


def answer(model, tokenizer, row):
    ids = tokenizer(row["prompt"], return_tensors="pt").input_ids
    out = model.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
    return tokenizer.decode(out)


def test_memorizes_rows_and_publishes(tmp_path, model, rows, train):
    d = make.document(
        tmp_path, model, "sft", rows, rows, **LEARN, micro_batch=8, epochs=50, merge=True
    )
    d["model"]["repo"] = "test/repository"
    events = train(d)
    check_events(events)
    base, *_, best = of(events, "eval")
    assert (base["of"], base["step"], best["of"]) == ("base", 0, "best")
    assert best["metrics"]["loss"] < 0.1 < 2 < base["metrics"]["loss"]
    assert best["metrics"]["accuracy"] > 0.99
    done = events[-1]
    assert done["event"] == "done" and done["metrics"]["loss"] == best["metrics"]["loss"]

    output, tokenizer = tmp_path / "work/output", AutoTokenizer.from_pretrained(model)
    fresh = AutoModelForCausalLM.from_pretrained(model)
    adapted = PeftModel.from_pretrained(fresh, output / "best").eval()
    for row in rows:
        assert answer(adapted, tokenizer, row) == row["completion"] + "<|im_end|>"
    ids = tokenizer("red green blue", return_tensors="pt").input_ids
    with torch.no_grad():
        expected = adapted(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(output / "merged").eval()
        torch.testing.assert_close(merged(ids).logits, expected, atol=1e-4, rtol=1e-4)
    config = json.loads((output / "best/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "test/repository"
    assert config["revision"] == "a" * 40
    assert AutoTokenizer.from_pretrained(output / "merged")("red") == tokenizer("red")
    assert {p.name for p in (output / "best").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    said = {
        of: [json.loads(x) for x in (tmp_path / f"work/evals/{of}-answers.jsonl").open()]
        for of in ("base", "best")
    }
    assert [a["row"] for a in said["best"]] == list(range(answers.SHOWN))
    assert not any(a["cut"] for a in said["best"])
    assert [a["text"] for a in said["best"]] == [row["completion"] for row in rows[:5]]
    assert said["base"] != said["best"] and len(said["base"]) == answers.SHOWN
    scored = [json.loads(x) for x in (tmp_path / "work/evals/best.jsonl").read_text().splitlines()]
    assert [r["row"] for r in scored] == list(range(8))
    assert all(r["answer_loss"] < r["other_loss"] for r in scored), "each answer is its own"
    answers_alone = sum(r["answer_loss"] for r in scored) / 8
    assert best["metrics"]["answer_loss"] == pytest.approx(answers_alone)
    total = sum(r["tokens"] for r in scored)
    loss = sum(r["loss"] * r["tokens"] for r in scored) / total
    assert loss == pytest.approx(best["metrics"]["loss"], rel=1e-9)


def test_published_adapter_gives_the_trained_logits(tmp_path, model, rows, train, monkeypatch):
    from trainer import run

    kept = []
    publish = run._publish

    def look(s):
        publish(s)
        s.method.model.eval()
        ids = torch.arange(5, 25)[None]
        with torch.no_grad():
            kept.extend([ids, s.method.model(input_ids=ids).logits])

    monkeypatch.setattr(run, "_publish", look)
    train(make.document(tmp_path, model, "sft", rows, rows[:2], **LEARN, epochs=2))
    fresh = AutoModelForCausalLM.from_pretrained(model)
    adapted = PeftModel.from_pretrained(fresh, tmp_path / "work/output/best").eval()
    with torch.no_grad():
        assert torch.equal(adapted(input_ids=kept[0]).logits, kept[1])
        without = AutoModelForCausalLM.from_pretrained(model)(input_ids=kept[0]).logits
        assert (without - kept[1]).abs().max() > 0.1


def test_whole_model_is_published_as_one(tmp_path, random_model, rows, train):
    d = make.document(tmp_path, random_model, "sft", rows, rows[:2], lora=None, epochs=1)
    events = train(d)
    output = tmp_path / "work/output/best"
    fresh, info = AutoModelForCausalLM.from_pretrained(output, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    before = AutoModelForCausalLM.from_pretrained(random_model).state_dict()
    assert any(not torch.equal(v, before[k]) for k, v in fresh.state_dict().items())
    assert AutoTokenizer.from_pretrained(output).chat_template
    assert events[-1]["event"] == "done"


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_whole_model_is_taken_back_as_it_was(tmp_path, kind):
    """With an output layer of its own, and with one that is the embedding."""
    base = tiny.make(kind, tmp_path / "base", hidden=32)
    job = jobs.parse(json.dumps(make.document(tmp_path, base, "sft", make.chats(1), lora=None)))
    m, other = models.causal(job), models.causal(job)
    with torch.no_grad():
        for p in m.parameters():
            p.add_(0.25)
    (tmp_path / "saved").mkdir()
    models.save_whole(job, m, tmp_path / "saved")
    models.load_whole(other, tmp_path / "saved")
    for (name, p), q in zip(m.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q), name
    with pytest.raises(ValueError, match="holds another model"):
        wrong = tiny.make(kind, tmp_path / "wrong", hidden=32, layers=1)
        models.load_whole(other, wrong)


@pytest.mark.parametrize("lora", [True, False])
def test_bf16_trains(tmp_path, random_model, rows, train, lora):
    changes = {} if lora else {"lora": None}
    events = train(
        make.document(tmp_path, random_model, "sft", rows, rows[:2], numerics="bf16", **changes)
    )
    assert all(math.isfinite(e["loss"]) for e in of(events, "step"))
    assert of(events, "eval")[0]["metrics"]["loss"] == pytest.approx(5.9, abs=1.0)


def test_micro_batches_of_any_size_make_the_same_steps(tmp_path, random_model, train):
    rows = make.chats(19)  # the last step has three rows
    losses = {}
    for micro, accumulation in ((8, 1), (2, 4), (1, 8)):
        d = make.document(
            tmp_path / f"{micro}",
            random_model,
            "sft",
            rows,
            micro_batch=micro,
            accumulation=accumulation,
            epochs=2,
        )
        losses[micro] = [e["loss"] for e in of(train(d), "step")]
    assert len(losses[8]) == 6
    assert losses[2] == pytest.approx(losses[8], abs=2e-5)
    assert losses[1] == pytest.approx(losses[8], abs=2e-5)


def test_small_jobs_leave_the_warm_up(tmp_path, random_model, rows, train):
    d = make.document(tmp_path, random_model, "sft", rows * 5, warmup_steps=100)
    rates = [e["learning_rate"] for e in of(train(d), "step")]
    assert len(rates) == 20 and rates[0] == 0 and rates[2] == max(rates) == 1e-3
    d = make.document(tmp_path / "b", random_model, "sft", rows, lr_scheduler="constant")
    assert {e["learning_rate"] for e in of(train(d), "step")} == {1e-3}


def test_tokens_are_counted_without_padding(tmp_path, random_model, train):
    events = train(make.document(tmp_path, random_model, "sft", make.chats(9), epochs=2))
    (data,) = of(events, "data")
    assert of(events, "step")[-1]["tokens"] == 2 * data["data"]["tokens"]
    assert of(events, "step")[-1]["epoch"] == 2
