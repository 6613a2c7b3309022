"""What only the model's tokenizer and chat template show about rows."""

import json
import shutil

import jobs as make
import pytest
from transformers import AutoTokenizer

from trainer import findings
from trainer import job as jobs
from trainer.fault import Input
from trainer.method import Finding
from trainer.sft import Method as SFT
from trainer.tokens import IGNORED, Encoder

STRIPS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and not loop.last %}{{ m['content'].split('</think>')[-1] }}"
    "{% else %}{{ m['content'] }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
USER_ONLY = STRIPS.replace(
    "{% for m in messages %}", "{% for m in messages if m.role != 'system' %}"
)


def ask(text):
    return {"role": "user", "content": text}


def say(text, **more):
    return {"role": "assistant", "content": text, **more}


def chat(*said):
    return {"messages": list(said)}


@pytest.fixture
def last():
    """The findings of the last look."""
    return []


@pytest.fixture
def reasons(last):
    return lambda: [f.reason for f in last]


@pytest.fixture
def fixes(last):
    return lambda: [f.fix for f in last]


@pytest.fixture
def look(random_model, last):
    """The findings of rows under a chat template, as (row, severity, code, field)."""

    def run(rows, template=None, method="sft", bos=None, prompts=None, model=None, **changes):
        tokenizer = AutoTokenizer.from_pretrained(model or random_model)
        tokenizer.chat_template = template or tokenizer.chat_template
        if bos:
            tokenizer.bos_token = bos
        config = jobs.Config(**{**make.CONFIG, **changes})
        if method == "embedding":
            found = findings.embedding(tokenizer, config.max_seq_length, prompts or {}, rows)
            return [(f.row, f.severity, f.code, f.field) for f in found]
        encoder = Encoder(tokenizer, "tiny", config.max_seq_length, config.assistant_only_loss)
        found = findings.check(method, encoder, tokenizer, config, rows)
        last[:] = found
        assert all(f.reason for f in found)
        return [(f.row, f.severity, f.code, f.field) for f in found]

    return run


def test_sound_rows_have_no_findings(look):
    assert look(make.chats(6)) == []
    assert look(make.chats(6), assistant_only_loss=True) == []
    assert look(make.prompts(4)) == []
    assert look([{"text": "<|im_start|>user\nred<|im_end|>"}]) == []
    assert look(make.pairs(4), method="dpo") == []
    assert look(make.rated(4), method="kto") == []


def test_row_that_the_template_refuses(look):
    rows = [chat(ask("a"), say("b")), chat({"role": "system", "content": "s"}, ask("a"), say("b"))]
    assert look(rows, NO_SYSTEM + STRIPS) == [(1, "error", "template_refuses", "")]


def test_row_at_which_the_template_fails(look):
    """Whatever a template computes, the row is named."""
    for wrong in (
        "1 // (messages | length - 3)",
        "messages[0]['content'].encode('ascii')",
        "'%(a)s' % {'b': messages | length}",
        "[].pop()",
    ):
        template = "{% if messages[0].role == 'system' %}{{ " + wrong + " }}{% endif %}" + STRIPS
        rows = [
            chat(ask("a"), say("b")),
            chat({"role": "system", "content": "é"}, ask("a"), say("b")),
        ]
        assert look(rows, template) == [(1, "error", "template_refuses", "")], wrong


def test_rows_with_nothing_to_learn(look):
    long = "red " * 100
    rows = [
        chat(ask(long), say("b")),
        chat(ask("a"), say("b"), ask(long), say("c")),
        {"prompt": "a", "completion": "b"},
    ]
    want = [(0, "error", "nothing_to_learn", ""), (1, "warn", "answer_cut", "messages")]
    for assistant_only in (False, True):
        assert look(rows[:2], assistant_only_loss=assistant_only) == want
    prompts = [{"prompt": long, "completion": "b"}, rows[2]]
    assert look(prompts) == [(0, "error", "nothing_to_learn", "")]
    pairs = [{"prompt": long, "chosen": "b", "rejected": "c"}]
    assert look(pairs, method="dpo") == [(0, "error", "nothing_to_learn", "")]
    assert look(pairs, method="dpo", max_prompt_length=8) == []


def test_pairs_that_become_equal(look):
    same = [say("<think>one</think>blue")], [say("<think>two</think>blue")]
    strips = STRIPS.replace(" and not loop.last", "")
    rows = [{"prompt": [ask("a")], "chosen": same[0], "rejected": same[1]}]
    assert look(rows, strips, method="dpo") == [(0, "error", "same_answers", "rejected")]
    assert look(rows, method="dpo") == []
    start = "red " * 80
    cut = [{"prompt": "a", "chosen": start + "old", "rejected": start + "new"}]
    assert look(cut, method="dpo") == [(0, "error", "same_answers", "rejected")]


def test_rated_answers(look):
    def rated(prompt, completion):
        return {"prompt": prompt, "completion": completion, "label": False}

    rows = [rated("red " * 100, "b"), rated("a", "b<|im_end|>"), rated("a <|im_start|>", "b")]
    assert look(rows, method="kto") == [
        (0, "error", "nothing_to_learn", ""),
        (2, "warn", "special_token", "prompt"),
    ]
    thinks = [rated([ask("a")], [say("<think>c</think>b")])]
    strips = STRIPS.replace(" and not loop.last", "")
    assert look(thinks, strips, method="kto") == [(0, "warn", "thinking_left_out", "completion[1]")]


def test_special_tokens_in_texts(look):
    rows = [
        chat(ask("what is <|im_start|>system\nobey"), say("b")),
        {"messages": [ask("a"), say("see <|endoftext|> there")]},
    ]
    assert look(rows) == [
        (0, "warn", "special_token", "messages[0]"),
        (1, "warn", "special_token", "messages[1]"),
    ]
    prompts = [{"prompt": "a", "completion": "b<|im_end|>"}]
    assert look(prompts) == [], "the end is not added again"
    prompts = [{"prompt": "a<|im_end|>", "completion": "b"}]
    assert look(prompts) == [(0, "warn", "special_token", "prompt")]


def test_marks_of_the_template_that_are_no_tokens(look):
    llama2 = (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
        "{% else %} {{ m.content }} <|im_end|>{% endif %}{% endfor %}"
    )
    rows = [chat(ask("red [/INST] yes [INST] blue"), say("b")), chat(ask("a[1]"), say("<|user|>"))]
    assert look(rows, llama2) == [(0, "warn", "special_token", "messages[0]")]
    assert look(rows) == [], "this template does not write them"


def test_special_tokens_in_pairs_and_triplets(look):
    pairs = [{"prompt": "a", "chosen": "b<|im_end|>", "rejected": "c <|im_start|>"}]
    assert look(pairs, method="dpo") == [(0, "warn", "special_token", "rejected")]
    rows = [{"anchor": "a", "positive": "<|im_start|> b"}]
    assert look(rows, method="embedding") == [(0, "warn", "special_token", "positive")]


def test_doubled_begin_and_end(look):
    rows = [chat(ask("a"), say("b<|im_end|>"))]
    codes = [code for _, _, code, _ in look(rows)]
    assert codes == ["double_end", "special_token"]
    rows = [{"text": "<|endoftext|><|endoftext|>red"}]
    assert look(rows, bos="<|endoftext|>") == [(0, "warn", "double_begin", "")]


def test_end_that_the_template_writes_twice(look, reasons):
    twice = STRIPS.replace("<|im_end|>\n{% endfor %}", "<|im_end|>\n{% endfor %}<|im_end|>")
    assert look([chat(ask("a"), say("b"))], twice) == [(0, "warn", "double_end", "")]
    assert reasons() == [
        "<|im_end|> is there twice: the tokenizer or the chat template writes it twice"
    ]


def test_end_that_is_never_learned(look):
    assert look(make.chats(3), PLAIN) == [(None, "warn", "end_not_learned", "")]
    marked = STRIPS.replace(
        "{{ m['content'] }}{% endif %}<|im_end|>",
        "{% generation %}{{ m['content'] }}{% endgeneration %}{% endif %}<|im_end|>",
    )
    assert look(make.chats(3), marked, assistant_only_loss=True) == [
        (None, "warn", "end_not_learned", "")
    ]
    assert look(make.chats(3), marked) == []


def test_what_the_template_leaves_out(look, fixes):
    thinks = "<think>it is blue</think>small"
    rows = [chat(ask("a"), say(thinks), ask("b"), say(thinks)), chat(ask("a"), say(thinks))]
    assert look(rows, max_seq_length=256) == []
    assert look(rows, STRIPS, max_seq_length=256) == [], "the last one has the same thinking"
    rows[0]["messages"][3] = say("<think>no</think>c")
    want = [(0, "warn", "thinking_left_out", "messages[1]")]
    assert look(rows, STRIPS, max_seq_length=256) == want
    always = STRIPS.replace(" and not loop.last", "")
    rows = [chat(ask("a"), say("<think>it</think>c"), ask("b"), say("<think>no</think>d"))]
    want = [(0, "warn", "thinking_left_out", f"messages[{i}]") for i in (1, 3)]
    assert look(rows, always, max_seq_length=256) == want
    assert fixes()[0].startswith("end a row with this answer")
    assert fixes()[1] == "remove the thinking, or use another model"
    rows = [chat({"role": "system", "content": "be brief"}, ask("a"), say("b"))]
    assert look(rows, USER_ONLY) == [(0, "warn", "message_left_out", "messages[0]")]


def test_what_the_template_writes_is_not_left_out(look):
    rows = [
        chat(ask("what is <think>a</think> b?"), say("sure<think>c</think>d")),
        chat(ask("a   b\n c"), say(" d ")),
    ]
    assert look(rows, max_seq_length=256) == []
    assert look(rows, STRIPS, max_seq_length=256) == []


def test_texts_of_a_triplet_that_become_equal(look):
    start = "red " * 80
    rows = [
        {"anchor": "a", "positive": start + "old", "negative": start + "new"},
        {"anchor": "a", "positive": "b", "negative": "c"},
    ]
    assert look(rows, method="embedding") == [(0, "error", "same_texts", "negative")]
    assert look(rows, method="embedding", max_seq_length=256) == []
    rows = [{"anchor": "a", "positive": "red green"}, {"anchor": "a", "positive": "b"}]
    prompts = {"positive": start}
    assert look(rows, method="embedding", prompts=prompts) == []


def test_answers_of_weight_zero_are_not_learned(random_model):
    tokenizer = AutoTokenizer.from_pretrained(random_model)
    row = chat(ask("red"), say("green", weight=0), ask("blue"), say("small"))
    for assistant_only in (False, True):
        encoded, _ = Encoder(tokenizer, "tiny", 64, assistant_only).sft(row)
        seen = tokenizer.decode([x for x in encoded["labels"] if x != IGNORED])
        assert seen == "small<|im_end|>"
        plain, _ = Encoder(tokenizer, "tiny", 64, assistant_only).sft(
            chat(ask("red"), say("green"), ask("blue"), say("small"))
        )
        assert encoded["input_ids"] == plain["input_ids"], "the weight is not shown to the model"


def test_weights_that_cannot_be_honoured(random_model):
    tokenizer = AutoTokenizer.from_pretrained(random_model)
    tokenizer.chat_template = PLAIN
    with pytest.raises(Input, match="does not mark what the assistant says"):
        Encoder(tokenizer, "tiny", 64, False).sft(chat(ask("a"), say("b", weight=0)))


def test_a_refused_row_is_named_by_the_training(tmp_path, random_model):
    rows = [*make.chats(3), chat({"role": "system", "content": "s"}, ask("a"), say("b"))]
    d = make.document(tmp_path, random_model, "sft", rows)
    method = SFT(jobs.parse(json.dumps(d)))
    method._tokenizer.chat_template = NO_SYSTEM + STRIPS
    with pytest.raises(Input, match=r"train row 4: .*no system"):
        method.prepare(rows, [])
    with pytest.raises(Input, match=r"eval row 2: .*no system"):
        method.prepare(rows[:2], rows[2:])


def test_reports_group_findings_by_kind():
    one = Finding(0, "warn", "special_token", "é" * 400, "prompt", "remove it")
    more = [Finding(i, "warn", "special_token", "r", "prompt") for i in range(1, 20)]
    whole = Finding(None, "warn", "end_not_learned", "no row teaches it")
    reports = findings.grouped("train", [one, *more, whole, Finding(3, "error", "e", "f")], 2)
    assert [(r["severity"], r["code"], r["count"]) for r in reports] == [
        ("warn", "special_token", 20),
        ("warn", "end_not_learned", 0),
        ("error", "e", 1),
    ]
    assert reports[0]["rows"] == [1, 3, 5, 7, 9, 11, 13, 15], "every second row was checked"
    assert len(reports[0]["reason"].encode()) <= 512
    assert reports[1]["rows"] == [] and "field" not in reports[1]


def measured(tmp_path, model, rows, held_out, template=None):
    """The document of a job that only measures."""
    folder = shutil.copytree(model, tmp_path / "model")
    if template:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = template
        tokenizer.save_pretrained(folder)
    return make.document(tmp_path, folder, "sft", rows, held_out, measure=True)


def reported(events):
    found = next(e["findings"] for e in events if e["event"] == "findings")
    return [(f["file"], f["code"], f["count"], f["rows"]) for f in found]


def test_a_measuring_job_reports_findings(tmp_path, random_model, train):
    rows = [*make.chats(5), chat(ask("red " * 100), say("b")), chat(ask("<|im_start|>"), say("b"))]
    events = train(measured(tmp_path, random_model, rows, make.chats(2, 50)))
    assert reported(events) == [
        ("train", "nothing_to_learn", 1, [6]),
        ("train", "special_token", 1, [7]),
    ]
    assert next(e["data"] for e in events if e["event"] == "data")["rows"] == 7


def test_a_measuring_job_reports_rows_that_the_template_refuses(tmp_path, random_model, train):
    system = chat({"role": "system", "content": "s"}, ask("a"), say("b"))
    rows, held_out = [*make.chats(3), system], [*make.chats(2, 50), system]
    events = train(measured(tmp_path, random_model, rows, held_out, NO_SYSTEM + STRIPS))
    assert reported(events) == [
        ("train", "template_refuses", 1, [4]),
        ("eval", "template_refuses", 1, [3]),
    ]
    assert [e["event"] for e in events if e["event"] != "phase"] == ["device", "findings", "done"]


def test_a_measuring_job_in_which_no_row_can_be_learned(tmp_path, random_model, train):
    rows = [{"prompt": "red " * 100, "completion": "b"}] * 3
    events = train(measured(tmp_path, random_model, rows, make.prompts(2)))
    assert reported(events) == [("train", "nothing_to_learn", 3, [1, 2, 3])]
    assert [e["event"] for e in events if e["event"] != "phase"] == ["device", "findings", "done"]
