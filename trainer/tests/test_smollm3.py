"""SmolLM3 as published: its architecture, its tokenizer's tokens and what its template prints."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jobs as make
import pytest
import torch
from process import attempt
from test_kill import differences, losses
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainer import findings, tiny
from trainer import job as jobs
from trainer.dpo import Method as DPO
from trainer.sft import Method as SFT
from trainer.tokens import IGNORED

TEMPLATE = Path(__file__).parent.parent / "testdata/templates/smollm3.jinja"
CLOCK = "2026-11-28T23:59:30Z"
SHAPE = {
    "clock": CLOCK,
    "chat_template_kwargs": {"enable_thinking": False},
    "max_seq_length": 256,
    "epochs": 2,
    "save_steps": 2,
    "target_modules": ["all-linear"],
    "dropout": 0.1,
    "micro_batch": 1,
    "accumulation": 3,
}
TOOL = {"name": "look_up", "description": "finds a word"}


@pytest.fixture(scope="module")
def smollm3(tmp_path_factory):
    """Four layers, of which every fourth has no rotary positions, one key for two queries, the
    output layer tied to the embedding; thinking marks are tokens, and rows are padded with the
    end token."""
    folder = tiny.make("smollm3", tmp_path_factory.mktemp("smollm3"), hidden=32, layers=4)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<think>", "</think>", "<tool_call>", "</tool_call>"])
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.chat_template = TEMPLATE.read_text()
    tokenizer.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.no_rope_layers = [1, 1, 1, 0]
    model.config.no_rope_layer_interval = 4
    model.save_pretrained(folder)
    return folder


def chosen(n, start=0):
    """Pairs of conversations."""
    return [
        {
            "prompt": row["messages"][:1],
            "chosen": row["messages"][1:],
            "rejected": [{"role": "assistant", "content": "<think>\nno\n</think>\nwrong"}],
        }
        for row in make.chats(n, start)
    ]


ROWS = {"sft": (make.chats(8), make.chats(2, 40)), "dpo": (chosen(8), chosen(2, 40))}


def test_has_the_published_shape(smollm3):
    config = json.loads((smollm3 / "config.json").read_text())
    assert config["no_rope_layers"] == [1, 1, 1, 0] and config["tie_word_embeddings"]
    assert config["num_attention_heads"] == 2 * config["num_key_value_heads"]
    tokenizer = AutoTokenizer.from_pretrained(smollm3)
    assert len(tokenizer("<think>\n</think>")["input_ids"]) == 3
    assert tokenizer.pad_token == tokenizer.eos_token == "<|im_end|>"


@pytest.mark.parametrize("method", ROWS)
def test_killed_before_midnight_and_resumed_after_it(tmp_path, smollm3, method):
    def document(folder, **changes):
        return make.document(folder, smollm3, method, *ROWS[method], **SHAPE | changes)

    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    code, events = attempt(document(whole))
    assert code == 0, (whole / "work/stderr.txt").read_text()
    (data,) = (e["data"] for e in events if e["event"] == "data")
    assert data["dropped"] == data["truncated"] == 0 and data["p50"] > 50
    assert attempt(document(first), kill=("step", 3))[0] == -9
    shutil.copytree(first / "work/checkpoints/00000002", second / "carried/00000002")
    again = document(second, resume=str(second / "carried/00000002"))
    code, resumed = attempt(again, patch="on_another_day")
    assert code == 0, (second / "work/stderr.txt").read_text()
    assert differences(second / "work", resumed, whole / "work", events) == []
    assert sorted(losses(resumed)) == [3, 4, 5, 6]


# What a user runs with the published adapter; nothing of this project is imported.
PLAIN = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
base, adapter, ids, out = sys.argv[1:]
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
with torch.no_grad():
    torch.save(model(input_ids=torch.load(ids)).logits, out)
"""


@pytest.mark.parametrize("method", ROWS)
def test_published_adapter_gives_equal_logits_in_plain_libraries(
    tmp_path, smollm3, method, train, monkeypatch
):
    from trainer import run

    tokenizer = AutoTokenizer.from_pretrained(smollm3)
    ids = tokenizer("<|im_start|>user\nred green blue<|im_end|>\n", return_tensors="pt").input_ids
    publish, kept = run._publish, []

    def look(session):
        publish(session)
        session.method.model.eval()
        with torch.no_grad():
            kept.append(session.method.model(input_ids=ids).logits)

    monkeypatch.setattr(run, "_publish", look)
    train(make.document(tmp_path, smollm3, method, *ROWS[method], **SHAPE))
    torch.save(ids, tmp_path / "ids.pt")
    paths = [smollm3, tmp_path / "work/output/best", tmp_path / "ids.pt", tmp_path / "logits.pt"]
    subprocess.run([sys.executable, "-c", PLAIN, *map(str, paths)], check=True)
    assert torch.equal(torch.load(tmp_path / "logits.pt"), kept[0])
    with torch.no_grad():
        base = AutoModelForCausalLM.from_pretrained(smollm3)(input_ids=ids).logits
    assert not torch.allclose(base, kept[0], atol=1e-4)


def prepared(folder, model, kind, row, **changes):
    method = "sft" if kind is SFT else "dpo"
    d = make.document(folder, model, method, [row], **{**SHAPE, "max_seq_length": 2048, **changes})
    m = kind(jobs.parse(json.dumps(d)))
    m.prepare([row], [])
    return m


def test_thinking_tools_and_date_reach_the_tokens(tmp_path, smollm3):
    given = {"enable_thinking": False, "xml_tools": [TOOL]}
    for kind, rows in ((SFT, make.chats(1)), (DPO, chosen(1))):
        m = prepared(tmp_path, smollm3, kind, rows[0], chat_template_kwargs=given)
        row = m._train[0]
        text = m._tokenizer.decode(
            row.get("input_ids") or row["prompt_ids"] + row["chosen_ids"], skip_special_tokens=False
        )
        assert "Today Date: 28 November 2026\nReasoning Mode: /no_think\n" in text
        assert f"<tools>\n{TOOL}\n</tools>" in text
        assert text.endswith("<think>\n\n</think>\nred green<|im_end|>\n")


def test_markers_of_the_template_say_what_is_learned(tmp_path, smollm3):
    said = [
        {"role": "user", "content": "red"},
        {"role": "assistant", "content": "<think>\nwarm\n</think>\ngreen"},
        {"role": "user", "content": "cold"},
        {"role": "assistant", "content": "blue"},
    ]

    own = {"chat_template_kwargs": {}}  # it thinks

    def learned(said, **changes):
        row = prepared(tmp_path, smollm3, SFT, {"messages": said}, **changes, **own)
        ids = [i for i in row._train[0]["labels"] if i != IGNORED]
        return row._tokenizer.decode(ids)

    first = "<|im_start|>assistant\n<think>\nwarm\n</think>\ngreen<|im_end|>\n"
    last = "<|im_start|>assistant\nblue<|im_end|>\n"
    # The thinking of earlier turns stays, and the markers are around the whole turn.
    assert learned(said, assistant_only_loss=True) == first + last
    assert learned([said[0], said[1] | {"weight": 0}, *said[2:]]) == last
    assert learned(said)[-len(last) :] == last and "cold" in learned(said)


def test_nothing_is_found_in_good_rows(tmp_path, smollm3):
    rows = [*make.chats(2), {"messages": [{"role": "system", "content": "Be short."}]}]
    rows[2]["messages"] += make.chats(1)[0]["messages"]
    m = prepared(tmp_path, smollm3, SFT, rows[0])
    assert m.findings(rows) == []
    m = prepared(tmp_path, smollm3, DPO, chosen(1)[0], chat_template_kwargs={})
    assert m.findings(chosen(2)) == []


def test_empty_thinking_before_thinking_is_found(tmp_path, smollm3):
    """The template does so when the thinking is off."""
    thought = [{"role": "assistant", "content": "<think>\nwarm\n</think>\ngreen"}]
    row = {"messages": [*make.chats(1)[0]["messages"], make.chats(1)[0]["messages"][0], *thought]}
    off = prepared(tmp_path, smollm3, SFT, row)
    (found,) = off.findings([make.chats(1)[0], row])
    assert (found.row, found.severity, found.code) == (1, "warn", "thinking_doubled")
    assert found.field == "messages[3]"
    (found,) = prepared(tmp_path, smollm3, DPO, chosen(1)[0]).findings(chosen(1))
    assert (found.row, found.code, found.field) == (0, "thinking_doubled", "rejected[1]")
    assert prepared(tmp_path, smollm3, SFT, row, chat_template_kwargs={}).findings([row]) == []


def test_variable_that_the_template_does_not_read_is_named(tmp_path, smollm3):
    """SmolLM3 reads xml_tools, and says nothing about tools."""
    given = {"tools": [TOOL], "enable_thinking": False}
    m = prepared(tmp_path, smollm3, SFT, make.chats(1)[0], chat_template_kwargs=given)
    (found,) = m.findings(make.chats(2))
    assert (found.row, found.severity, found.code) == (None, "warn", "variable_not_read")
    assert "tools" in found.reason and "xml_tools" in found.fix
    assert "enable_thinking" not in found.reason
    (report,) = findings.grouped("train", [found])
    assert report["rows"] == []
