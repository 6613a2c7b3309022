"""What `measure` counts is what training counts, without weights."""

import json
import shutil
from pathlib import Path

import jobs as make
import pytest
from test_template import CLOCK, TEMPLATE
from transformers import AutoTokenizer

from trainer import job as jobs
from trainer import measure, tiny
from trainer.fault import Input


def stats(events):
    found = next(e["data"] for e in events if e["event"] == "data")
    return {k: v for k, v in found.items() if k != "steps_per_epoch"}


CASES = {
    "sft": (make.chats(9), make.chats(3, 40), {"max_seq_length": 34}),
    "packed": (make.chats(9), make.chats(3, 40), {"packing": True, "max_seq_length": 64}),
    "dpo": (make.pairs(9), make.pairs(3, 40), {"max_seq_length": 24}),
    "kto": (make.rated(9), make.rated(3, 40), {"max_seq_length": 18}),
    "embedding": (
        [{"anchor": f"red {i}", "positive": "green " * (i + 1)} for i in range(9)],
        [{"anchor": "blue", "positive": "small"}],
        {"loss": "mnr", "max_seq_length": 8, "target_modules": ["q_proj"]},
    ),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory, random_model):
    """A causal model whose template writes a header, and an encoder."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(random_model, folder / "causal")
    tokenizer = AutoTokenizer.from_pretrained(folder / "causal")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder / "causal")
    tiny.make("encoder", folder / "encoder", hidden=32)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_counts_are_those_of_training(tmp_path, models, train, case):
    rows, held_out, changes = CASES[case]
    method = "sft" if case == "packed" else case
    model = models / ("encoder" if case == "embedding" else "causal")
    changes = {**changes, "clock": CLOCK}
    d = make.document(tmp_path, model, method, rows, held_out, **changes)
    measured = train({**d, "measure": True})
    kinds = [e["event"] for e in measured if e["event"] != "phase"]
    assert kinds == ["device", "findings", "data", "done"]
    assert stats(measured) == stats(train(d))
    assert stats(measured)["eval_tokens"] > 0


@pytest.mark.parametrize("changes", [{}, {"chat_template_kwargs": {"enable_thinking": False}}])
def test_counts_are_the_tokens_of_the_steps(tmp_path, random_model, train, changes):
    """With the header, the date and the mode that SmolLM3's template writes into each row."""
    model = shutil.copytree(random_model, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(model)
    templates = Path(__file__).parents[1] / "testdata/templates"
    tokenizer.chat_template = (templates / "smollm3.jinja").read_text("utf-8")
    tokenizer.save_pretrained(model)
    changes = {**changes, "max_seq_length": 2048, "clock": CLOCK, "assistant_only_loss": True}
    d = make.document(tmp_path, model, "sft", make.chats(5), **changes)
    planned = stats(train({**d, "measure": True}))
    (*_, last) = (e for e in train(d) if e["event"] == "step")
    assert planned["tokens"] == last["tokens"]
    assert planned["tokens"] > 5 * (600 if "chat_template_kwargs" not in changes else 100)


def test_some_rows_stand_for_all(tmp_path, models, train, monkeypatch):
    rows, held_out = make.chats(100), make.chats(30, 200)
    d = make.document(tmp_path, models / "causal", "sft", rows, held_out, measure=True)
    whole = stats(train(d))
    monkeypatch.setattr(measure, "MOST", 40)
    some = stats(train(d))
    assert (some["rows"], some["eval_rows"], some["sampled"]) == (100, 30, 34)
    assert whole["sampled"] == 0
    assert some["tokens"] == pytest.approx(whole["tokens"], rel=0.02)
    assert some["eval_tokens"] == whole["eval_tokens"]


def test_template_that_refuses_is_reported(tmp_path, models, train):
    folder = shutil.copytree(models / "causal", tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    tokenizer.save_pretrained(folder)
    events = train(make.document(tmp_path, folder, "sft", make.chats(2), measure=True))
    (found,) = next(e["findings"] for e in events if e["event"] == "findings")
    assert (found["code"], found["rows"]) == ("template_refuses", [1, 2])
    assert "roles must alternate" in found["reason"]


def test_nothing_is_resumed(tmp_path, models):
    d = make.document(tmp_path, models / "causal", "sft", make.chats(2), measure=True, resume="/x")
    with pytest.raises(Input, match="measure"):
        jobs.parse(json.dumps(d))
