"""What the loss sees, and that it is what TRL would have made."""

import json
import shutil

import jobs as make
import pytest
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from trainer import job as jobs
from trainer import model as models
from trainer.dpo import Method as DPO
from trainer.fault import Input
from trainer.sft import Method as SFT
from trainer.tokens import IGNORED, Encoder


@pytest.fixture(scope="module")
def tokenizer(random_model):
    return AutoTokenizer.from_pretrained(random_model)


@pytest.fixture
def encoder(tokenizer):
    return lambda limit=64, assistant_only=False: Encoder(tokenizer, "tiny", limit, assistant_only)


def seen(tokenizer, row):
    return tokenizer.decode([x for x in row["labels"] if x != IGNORED])


def test_loss_sees_the_completion_and_its_end(tokenizer, encoder):
    row, length = encoder().sft({"prompt": "red green:", "completion": " blue small"})
    assert seen(tokenizer, row) == " blue small<|im_end|>"
    assert row["input_ids"] == tokenizer("red green: blue small<|im_end|>")["input_ids"]
    assert length == len(row["input_ids"]) == len(row["labels"])


def test_loss_sees_all_of_a_text_but_its_first_token(tokenizer, encoder):
    row, _ = encoder().sft({"text": "red green blue"})
    assert row["labels"][0] == IGNORED
    assert row["labels"][1:] == row["input_ids"][1:]
    assert seen(tokenizer, row).endswith("blue<|im_end|>")


def test_loss_sees_what_the_assistant_says(tokenizer, encoder):
    messages = [
        {"role": "system", "content": "old"},
        {"role": "user", "content": "red"},
        {"role": "assistant", "content": "green"},
        {"role": "user", "content": "blue"},
        {"role": "assistant", "content": "small"},
    ]
    row, _ = encoder(assistant_only=True).sft({"messages": messages})
    assert seen(tokenizer, row) == "green<|im_end|>small<|im_end|>"
    row, _ = encoder().sft({"messages": messages})
    assert "old" in seen(tokenizer, row) and "red" in seen(tokenizer, row)


def test_question_ends_where_the_answer_begins(tokenizer, encoder):
    ids, expected = encoder().question({"prompt": "red green:", "completion": " blue small"})
    assert tokenizer.decode(ids) == "red green:"
    assert expected == len(tokenizer(" blue small")["input_ids"])
    messages = [
        {"role": "user", "content": "red"},
        {"role": "assistant", "content": "green"},
        {"role": "user", "content": "blue"},
        {"role": "assistant", "content": "small"},
    ]
    pair = {"prompt": messages[:3], "chosen": messages[3:], "rejected": messages[1:2]}
    for row in ({"messages": messages}, pair):
        ids, expected = encoder().question(row)
        asked = tokenizer.decode(ids)
        assert "green<|im_end|>" in asked and "blue" in asked and "small" not in asked
        assert asked.rstrip().endswith("assistant") and expected > 0
    assert encoder().question({"text": "red green blue"}) is None
    assert encoder(3).question({"prompt": "red green:", "completion": " blue"}) is None


def test_answer_is_without_question_and_template(tokenizer, encoder):
    messages = [
        {"role": "system", "content": "old"},
        {"role": "user", "content": "red"},
        {"role": "assistant", "content": "green"},
        {"role": "user", "content": "blue"},
        {"role": "assistant", "content": "small large"},
    ]
    found = encoder(128).answer({"messages": messages})
    assert tokenizer.decode(found.tokens) == "small large"
    assert tokenizer.decode(found.head).endswith("assistant\n")
    assert "green<|im_end|>" in tokenizer.decode(found.head)
    for text in ("?", "0", "? 0 ?"):  # like the probes
        said = [*messages[:-1], {"role": "assistant", "content": text}]
        assert encoder(128).answer({"messages": said}).tokens
    found = encoder().answer({"prompt": "red green:", "completion": " blue small"})
    assert tokenizer.decode(found.head) == "red green:"
    assert tokenizer.decode(found.tokens) == " blue small", "the end is no part of it"
    assert encoder().answer({"text": "red green blue"}) is None
    assert encoder().answer({"prompt": "", "completion": "blue"}) is None
    assert encoder(3).answer({"prompt": "red green:", "completion": " blue"}) is None
    found = encoder(128).answer({"messages": messages[:-1]})
    assert tokenizer.decode(found.tokens) == "green", "the last one that is there"
    assert encoder().answer({"messages": messages[:2]}) is None, "nobody answers"


def test_cut_rows_are_told_apart(tokenizer, encoder):
    long = {"prompt": "red" + " red" * 29, "completion": " blue" * 30}
    prompt = len(tokenizer(long["prompt"])["input_ids"])
    row, length = encoder(prompt + 3).sft(long)
    assert len(row["input_ids"]) == prompt + 3 < length
    assert [x == IGNORED for x in row["labels"]] == [True] * prompt + [False] * 3
    row, _ = encoder(prompt).sft(long)
    assert row is None, "the prompt fills it"


def test_pairs_are_cut_at_the_prompt_first(tokenizer, encoder):
    pair = {"prompt": "red " * 20 + "end", "chosen": " blue", "rejected": " small " * 40}
    row, length, cut = encoder(32).dpo(pair, 8)
    assert cut and length > 60
    assert len(row["prompt_ids"]) == 8
    assert tokenizer.decode(row["prompt_ids"]).endswith("end"), "its end is kept"
    assert tokenizer.decode(row["chosen_ids"]) == " blue<|im_end|>"
    assert len(row["rejected_ids"]) == 24
    assert encoder(20).dpo(pair, 0)[0] is None
    row, _, cut = encoder(4096).dpo(pair, 0)
    assert not cut and tokenizer.decode(row["prompt_ids"]) == pair["prompt"]


def test_stats_are_exact(tmp_path, random_model):
    rows = [{"prompt": "red " * n, "completion": "blue"} for n in (2, 4, 6, 80)]
    d = make.document(tmp_path, random_model, "sft", rows, max_seq_length=24)
    m = SFT(jobs.parse(json.dumps(d)))
    stats = m.prepare(rows, rows[:2])
    lengths = sorted(
        len(m._tokenizer(r["prompt"] + r["completion"])["input_ids"]) + 1 for r in rows
    )
    assert (stats.rows, stats.eval_rows, stats.dropped, stats.truncated) == (4, 2, 1, 1)
    assert (stats.max, stats.p50, stats.tokens) == (lengths[3], lengths[2], sum(lengths[:3]))
    with pytest.raises(Input, match="no row has anything to learn"):
        m.prepare(rows[3:], [])
    pairs = [{"prompt": "red " * n, "chosen": "a", "rejected": "b"} for n in (2, 80)]
    stats = DPO(jobs.parse(json.dumps({**d, "method": "dpo"}))).prepare(pairs, [])
    assert (stats.rows, stats.dropped) == (2, 1)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_rows_without_an_answer_count_against_the_allowed(tmp_path, random_model, method):
    sides = {"sft": ["completion"], "dpo": ["chosen", "rejected"]}[method]
    rows = [{"prompt": "red " * n} | {s: s for s in sides} for n in (2, 80, 4, 80)]
    kind = {"sft": SFT, "dpo": DPO}[method]

    def prepare(held_out, **changes):
        d = make.document(tmp_path, random_model, method, rows, max_seq_length=24, **changes)
        d["config"]["max_prompt_length"] = 0
        return kind(jobs.parse(json.dumps(d))).prepare(rows, held_out)

    with pytest.raises(
        Input, match=r'2 of 4 training and held-out rows, .* permits 1; .* "red red'
    ):
        prepare([], may_drop={"train": 1})
    with pytest.raises(Input, match="3 of 6 training and held-out rows"):
        prepare(rows[:2], may_drop={"train": 2})
    stats = prepare(rows[:2], may_drop={"train": 3})
    assert (stats.dropped, stats.eval_dropped) == (2, 1)
    with pytest.raises(Input, match="1 of 2 held-out rows, "):
        prepare(rows[:2], may_drop={"train": 2, "eval": 0})
    assert prepare(rows[:2], may_drop={"train": 2, "eval": 1}).eval_dropped == 1
    # Jobs of earlier builds allow any number, and a resumed job passed the check at its start.
    assert prepare(rows[:2]).dropped == 2
    assert prepare([], may_drop={"train": 0}, resume=str(tmp_path)).dropped == 2


KINDS = {
    "text": [{"text": t} for t in ("red green", "blue small large old", "new")],
    "prompts": make.prompts(5),
    "chats": make.chats(5),
    "answers": [
        {
            "prompt": [*chat["messages"], {"role": "user", "content": "red"}],
            "completion": [{"role": "assistant", "content": "blue small"}],
        }
        for chat in make.chats(3)
    ],
    "long": [{"prompt": "red " * n, "completion": "blue " * 9} for n in (2, 9, 18)],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("assistant_only", [False, True])
def test_tokens_are_those_of_trl(tmp_path, random_model, tokenizer, kind, assistant_only):
    assistant_only = assistant_only and kind in ("chats", "answers")
    limit = 64 if kind == "answers" else 24
    config = SFTConfig(
        output_dir=str(tmp_path),
        max_length=limit,
        assistant_only_loss=assistant_only,
        use_cpu=True,
        bf16=False,
        report_to="none",
    )
    theirs = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(random_model),
        config,
        train_dataset=Dataset.from_list(KINDS[kind]),
        processing_class=tokenizer,
    ).train_dataset
    encoder = Encoder(tokenizer, "tiny", limit, assistant_only)
    ours = [r for r, _ in map(encoder.sft, KINDS[kind]) if r]
    assert [r["input_ids"] for r in ours] == list(theirs["input_ids"])
    assert [r["labels"][1:] for r in ours] == [x[1:] for x in theirs["labels"]]


def test_completion_is_the_answer_of_its_conversation(encoder):
    for row in KINDS["answers"]:
        whole = {"messages": row["prompt"] + row["completion"]}
        assert encoder().answer(row) == encoder().answer(whole)
        assert encoder().question(row) == encoder().question(whole)


def test_pairs_are_those_of_trl(tmp_path, random_model, tokenizer):
    rows = make.pairs(6)
    said = lambda text, role="assistant": [{"role": role, "content": text}]  # noqa: E731
    chats = [
        {
            "prompt": said(r["prompt"], "user"),
            "chosen": said(r["chosen"]),
            "rejected": said(r["rejected"]),
        }
        for r in rows
    ]
    for some in (rows, chats):
        config = DPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none")
        base, reference = (AutoModelForCausalLM.from_pretrained(random_model) for _ in range(2))
        theirs = DPOTrainer(
            base,
            reference,
            config,
            train_dataset=Dataset.from_list(some),
            processing_class=tokenizer,
        ).train_dataset
        ours = [Encoder(tokenizer, "tiny", 1024, False).dpo(r, 0)[0] for r in some]
        for key in ("prompt_ids", "chosen_ids", "rejected_ids"):
            assert [r[key] for r in ours] == list(theirs[key])


def rewritten(random_model, folder, **changes):
    """A copy of the model with another tokenizer configuration; None removes a key."""
    shutil.copytree(random_model, folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return folder


def loaded(tmp_path, folder):
    d = make.document(tmp_path, folder, "sft", make.chats(1))
    return models.tokenizer(jobs.parse(json.dumps(d)))


def test_tokenizers_that_lack_something(tmp_path, random_model):
    t = loaded(tmp_path, rewritten(random_model, tmp_path / "a", pad_token=None))
    assert t.pad_token == t.eos_token == "<|im_end|>"
    with pytest.raises(Input, match="no end token"):
        loaded(tmp_path, rewritten(random_model, tmp_path / "b", eos_token=None))
    bare = rewritten(random_model, tmp_path / "c", chat_template=None)
    (bare / "chat_template.jinja").unlink(missing_ok=True)
    encoder = Encoder(loaded(tmp_path, bare), "tiny", 64, False)
    with pytest.raises(Input, match="no chat template"):
        encoder.sft(make.chats(1)[0])
    assert encoder.sft({"text": "red"})[0]


def test_template_without_marks_is_refused_where_they_are_needed(tokenizer):
    plain = type(tokenizer).from_pretrained(tokenizer.name_or_path)
    plain.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(Input, match="does not mark what the assistant says"):
        Encoder(plain, "tiny", 64, True).sft(make.chats(1)[0])
    assert Encoder(plain, "tiny", 64, False).sft(make.chats(1)[0])[0]
    plain.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(Input, match="roles must alternate"):
        Encoder(plain, "tiny", 64, False).sft(make.chats(1)[0])
