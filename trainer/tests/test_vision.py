"""Qwen2-VL: rows as its own processor writes them, and adapters of its language part."""

import json
import re

import captions
import jobs as make
import pytest
import torch
from peft import PeftModel
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from trainer import data, pictures, sft, vision
from trainer import job as jobs
from trainer.fault import Input

VISION = {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"], "max_seq_length": 256}


@pytest.fixture
def document(tmp_path, looker):
    def of(rows=None, held_out=None, **changes):
        shown = rows or captions.rows(tmp_path / "images")
        more = VISION | {"images": str(tmp_path / "images")} | changes
        return make.document(tmp_path, looker, "sft", shown, held_out, **more)

    return of


def job(document):
    return jobs.parse(json.dumps(document))


def written(looker, parsed, row):
    """Tokens of a conversation as the processor writes it, and the same without its answer."""
    processor = AutoProcessor.from_pretrained(looker)
    seen = [pictures.load(parsed, name) for name in vision.images(row)]
    out = []
    for messages, prompt in ((row["messages"], False), (row["messages"][:-1], True)):
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
        out.append(processor(text=[text], images=seen or None)["input_ids"][0])
    return out


def test_tokens_are_those_of_the_processor(document, looker):
    parsed = job(document())
    rows, _ = data.read(parsed)
    encoder = sft.Method(parsed)._encoder()
    for row in rows:
        encoded, length = encoder.sft(row)
        whole, start = written(looker, parsed, row)
        assert encoded["input_ids"] == whole and length == len(whole)
        answer = [i for i, label in enumerate(encoded["labels"]) if label != -100]
        # The answer with its end token, without the line end after it.
        assert answer == list(range(len(start), len(whole) - 1))
        assert encoded["pictures"] == vision.images(row)
        said = encoder.answer(row)
        assert said.head == start and list(said.pictures) == vision.images(row)


def test_trains_the_language_part_and_loads_in_peft(document, looker, train, tmp_path):
    held = captions.rows(tmp_path / "images", 3)
    events = train(document(held_out=held, epochs=6, learning_rate=2e-2, micro_batch=3))
    base, best = [e for e in events if e["event"] == "eval" and e["of"] in ("base", "best")]
    assert best["metrics"]["answer_loss"] < base["metrics"]["answer_loss"]
    folder = tmp_path / "work/output/best"
    names = json.loads((folder / "adapter_config.json").read_text())["target_modules"]
    assert isinstance(names, str)
    plain = Qwen2VLForConditionalGeneration.from_pretrained(looker)
    adapted = PeftModel.from_pretrained(plain, folder).eval()
    tuned = [n for n, _ in adapted.named_parameters() if "lora_" in n]
    assert len(tuned) == 2 * 4 * 2 and not any("visual" in n for n in tuned)

    parsed = job(document(rows=held))
    method = sft.Method(parsed)
    method.prepare(held, held)
    method.trainer({"output_dir": str(tmp_path / "t"), "use_cpu": True, "report_to": "none"})
    method.load(folder)
    batch = method._collate([method._encoder().sft(row)[0] for row in held])
    batch.pop("labels")
    with torch.no_grad():
        assert torch.equal(method.model.eval()(**batch).logits, adapted(**batch).logits)


def test_all_linear_leaves_images_alone(looker, document):
    m = sft.Method(job(document(target_modules=["all-linear"])))
    pattern = m._lora().target_modules
    taken = [n for n, _ in m.model.named_modules() if re.fullmatch(pattern, n)]
    assert len(taken) == 2 * 7
    assert not any("visual" in n or "lm_head" in n for n in taken)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"packing": True}, "packing: is not supported for rows with images"),
        ({"load_in_4bit": True, "device": "cuda"}, "load_in_4bit"),
        ({"lora": None}, "adapter of its language part only"),
        ({"target_modules": ["qkv"]}, "no linear layer 'qkv'"),
    ],
)
def test_refuses_settings(document, changes, says):
    with pytest.raises(Input, match=says):
        sft.Method(job(document(**changes)))


def test_findings(document, train, tmp_path, random_model):
    shown = captions.rows(tmp_path / "images", 4)
    shown[1]["messages"][0]["content"][0]["image"] = "0" * 64
    shown[3]["messages"][0]["content"][0]["text"] = "what is <|image_pad|>?"
    (found,) = [e for e in train(document(rows=shown, measure=True)) if e["event"] == "findings"]
    refused = {f["reason"]: f["rows"] for f in found["findings"] if f["code"] == "template_refuses"}
    assert list(refused.values()) == [[2, 4]] and "cannot read" in next(iter(refused))

    shown = captions.rows(tmp_path / "images", 12)
    d = document(rows=shown, measure=True)
    (counts,) = [e["data"] for e in train(d) if e["event"] == "data"]
    parsed = job(document(rows=shown))
    lengths = [sft.Method(parsed)._encoder().sft(row)[1] for row in shown]
    assert counts["tokens"] == sum(lengths) and counts["max"] == max(lengths)

    events = train(document(rows=shown, measure=True, max_seq_length=min(lengths)))
    codes = {f["code"]: f["reason"] for f in events[-3]["findings"]}
    assert "nothing_to_learn" in codes

    d = make.document(
        tmp_path, random_model, "sft", shown, images=str(tmp_path / "images"), measure=True
    )
    (found,) = [e for e in train(d) if e["event"] == "findings"]
    assert "reads only text" in found["findings"][0]["reason"]
    assert found["findings"][0]["rows"] == [1, 2, 3, 4, 5, 6, 7, 8], "parts without an image too"
