"""Rows and model folders: what is wrong is refused by name, before anything is loaded."""

import json
import shutil

import jobs as make
import pytest

from trainer import data, fits, model
from trainer import job as jobs
from trainer.fault import Input


def read(tmp_path, method, lines, **changes):
    d = make.document(tmp_path, tmp_path, method, [])
    d["train"] = make.write_rows(tmp_path / "t", [])
    text = lines if isinstance(lines, bytes) else "".join(x + "\n" for x in lines).encode()
    import hashlib

    (tmp_path / "t").write_bytes(text)
    d["train"] |= {"sha256": hashlib.sha256(text).hexdigest(), "rows": text.count(b"\n")}
    d["train"] |= changes
    return data.read(jobs.parse(json.dumps(d)))


CHAT = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}'

SHOWN = (
    '{"messages":[{"role":"user","content":[{"type":"image","image":"' + "a" * 64 + '"},'
    '{"type":"text","text":"What is this?"}]},{"role":"assistant","content":"b"}]}'
)
PAGE = '{"anchor":"a","positive":{"image":"' + "b" * 64 + '"}}'


@pytest.mark.parametrize(
    ("method", "row"),
    [
        ("sft", CHAT),
        ("sft", SHOWN),
        ("embedding", PAGE),
        ("sft", '{"prompt":"","completion":"b"}'),
        ("sft", '{"text":"a\\u2028b"}'),
        (
            "sft",
            '{"prompt":[{"role":"user","content":"a"}],'
            '"completion":[{"role":"assistant","content":"b"}]}',
        ),
        ("dpo", '{"prompt":"a","chosen":"b","rejected":"c"}'),
        (
            "dpo",
            '{"prompt":[{"role":"user","content":"a"}],"chosen":[{"role":"assistant",'
            '"content":"b"}],"rejected":[{"role":"assistant","content":"c"}]}',
        ),
        ("embedding", '{"anchor":"a","positive":"b"}'),
        ("embedding", '{"anchor":"a","positive":"b","negative":"c"}'),
    ],
)
def test_canonical_rows_are_read(tmp_path, method, row):
    train, held_out = read(tmp_path, method, [row, row])
    assert train == [json.loads(row)] * 2 and held_out == []
    assert data.images(train) == {SHOWN: ["a" * 64], PAGE: ["b" * 64]}.get(row, [])


@pytest.mark.parametrize(
    ("method", "lines", "says"),
    [
        ("sft", [], "has no rows"),
        ("sft", [CHAT, "{"], "train line 2: not JSON"),
        ("sft", [CHAT, ""], "train line 2: not JSON"),
        ("sft", b'{"text":"\xff"}\n', "line 1: not JSON"),
        ("sft", ["[1]"], "must be an object"),
        ("sft", ['{"text":"a","extra":1}'], "sft requires messages or completion, prompt or text"),
        ("sft", ['{"text":""}'], "text is empty"),
        ("sft", ['{"text":5}'], "text must be a string, got int"),
        ("sft", ['{"text":[{"role":"user","content":"a"}]}'], "text must be a string, got list"),
        (
            "sft",
            ['{"prompt":[{"role":"user","content":"a"}],"completion":"b"}'],
            "prompt, completion must all be strings or all be messages",
        ),
        ("sft", [CHAT, '{"text":"a"}'], "line 2: has text, the first row has messages"),
        ("sft", ['{"messages":[]}'], "no messages"),
        ("sft", ['{"messages":"hello"}'], "must be a list of messages"),
        ("sft", ['{"messages":[{"role":"user"}]}'], "messages[0]: must be an object with role"),
        ("sft", ['{"messages":[{"role":"user","content":7}]}'], "must be strings"),
        ("sft", ['{"messages":[{"role":"user","content":[1]}]}'], "with the type text or image"),
        ("sft", ['{"messages":[{"role":"user","content":[]}]}'], "content: no parts"),
        ("sft", ['{"messages":[{"role":"user","content":[{"type":"text"}]}]}'], "have a text"),
        ("sft", [SHOWN.replace("a" * 64, "../a")], "content[0]: must have an image, which is"),
        ("embedding", ['{"anchor":"a","positive":{"image":"b"}}'], "positive: must have an image"),
        ("sft", ["[" * 100000], "not JSON"),
        ("dpo", ['{"prompt":"a","chosen":"b"}'], "dpo requires chosen, prompt, rejected"),
        (
            "dpo",
            ['{"prompt":"a","chosen":"b","rejected":[{"role":"assistant","content":"c"}]}'],
            "all be strings or all be messages",
        ),
        ("kto", ['{"prompt":"a","completion":"b"}'], "kto requires completion, label, prompt"),
        ("kto", ['{"prompt":"a","completion":"b","label":1}'], "label must be true or false"),
        (
            "kto",
            ['{"prompt":"a","completion":[{"role":"assistant","content":"c"}],"label":true}'],
            "all be strings or all be messages",
        ),
        ("embedding", ['{"anchor":"a","positive":["b"]}'], "positive must be a string, got list"),
    ],
)
def test_bad_rows_are_named(tmp_path, method, lines, says):
    with pytest.raises(Input) as e:
        read(tmp_path, method, lines)
    assert says in str(e.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "but the job expects 000"),
        ({"rows": 3}, "has 1 rows, but the job expects 3"),
        ({"path": "/nowhere/rows"}, "cannot read /nowhere/rows"),
    ],
)
def test_other_file_than_the_job_names_is_refused(tmp_path, changes, says):
    with pytest.raises(Input) as e:
        read(tmp_path, "sft", [CHAT], **changes)
    assert says in str(e.value)


def broken(folder, what):
    if what == "pickle":
        (folder / "pytorch_model.bin").write_bytes(b"x")
    elif what == "nested":
        (folder / "sub").mkdir()
        (folder / "sub/weights.pkl").write_bytes(b"x")
    elif what == "no weights":
        (folder / "model.safetensors").unlink()
    elif what == "code":
        config = json.loads((folder / "config.json").read_text())
        config["auto_map"] = {"AutoModelForCausalLM": "evil.Model"}
        (folder / "config.json").write_text(json.dumps(config))
    elif what == "no config":
        (folder / "config.json").unlink()
    elif what == "unknown":
        (folder / "config.json").write_text('{"model_type": "no-such-model"}')
    elif what == "cut":
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[:100])
    elif what == "lacking":
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        del tensors["model.layers.0.mlp.up_proj.weight"]
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("pickle", "pytorch_model.bin may hold pickled code"),
        ("nested", "weights.pkl may hold pickled code"),
        ("no weights", "holds no .safetensors file"),
        ("code", "asks to run code of its own"),
        ("no config", "cannot read"),
        ("unknown", "does not load"),
        ("cut", "does not load"),
        ("lacking", "lack the weights model.layers.0.mlp.up_proj.weight"),
    ],
)
def test_bad_models_are_refused(tmp_path, random_model, what, says):
    folder = tmp_path / "model"
    shutil.copytree(random_model, folder)
    broken(folder, what)
    job = jobs.parse(json.dumps(make.document(tmp_path, folder, "sft", make.chats(1))))
    with pytest.raises(Input) as e:
        model.causal(job)
    assert says in str(e.value)


def test_missing_model_and_unknown_layers_are_named(tmp_path, random_model):
    d = make.document(tmp_path, tmp_path / "none", "sft", make.chats(1))
    with pytest.raises(Input, match="is not a folder"):
        model.checked(jobs.parse(json.dumps(d)))
    d = make.document(tmp_path, random_model, "sft", make.chats(1), target_modules=["query"])
    job = jobs.parse(json.dumps(d))
    with pytest.raises(Input, match="is more than the 4096 tokens"):
        long = make.document(tmp_path, random_model, "sft", make.chats(1), max_seq_length=5000)
        model.causal(jobs.parse(json.dumps(long)))
    with pytest.raises(Input, match="lm_head is the output layer"):
        head = make.document(
            tmp_path, random_model, "sft", make.chats(1), target_modules=["lm_head"]
        )
        fits.targets(jobs.parse(json.dumps(head)), model.causal(job))
    with pytest.raises(Input, match=r"no linear layer 'query'; it has .*q_proj"):
        fits.targets(job, model.causal(job))
