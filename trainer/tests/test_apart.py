"""Packed samples have the same outputs as single ones; models that mix them are refused."""

import json

import jobs as make
import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig, BloomForCausalLM
from trl.trainer.utils import add_fused_lm_head

from trainer import apart, tiny
from trainer import job as jobs
from trainer.fault import Input
from trainer.sft import Collator, Method

FIELDS = ("log_probs", "entropy", "is_top1", "label_mask")


def batch():
    g = torch.Generator().manual_seed(3)
    rows = []
    for n in (17, 3, 9, 1, 12, 30, 2):
        ids = torch.randint(5, 300, (n,), generator=g).tolist()
        rows.append({"input_ids": ids, "labels": [-100] * (n // 3) + ids[n // 3 :]})
    return Collator(0)(rows)


@pytest.mark.parametrize("kind", ["llama", "smollm3", "qwen3"])
def test_packed_batch_equals_the_padded_one(tmp_path, kind):
    folder = tiny.make(kind, tmp_path, hidden=32)
    outputs, gradients = [], []
    for packed in (False, True):
        m = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa")
        assert apart.keeps_apart(m)
        add_fused_lm_head(m, outputs=("log_probs", "entropy", "is_top1"))
        if packed:
            apart.compact(m)
        out = m(**batch(), use_cache=False, fused_lm_head=True)
        out.log_probs.sum().backward()
        outputs.append(out)
        gradients.append([p.grad for p in m.parameters()])
    for name in FIELDS:
        torch.testing.assert_close(outputs[0][name], outputs[1][name], atol=2e-5, rtol=1e-4)
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)


def test_model_that_mixes_samples_is_found_out(tmp_path, random_model, monkeypatch):
    bloom = BloomForCausalLM(BloomConfig(vocab_size=300, hidden_size=32, n_layer=1, n_head=2))
    assert not apart.keeps_apart(bloom)
    one_stream = AutoModelForCausalLM.from_pretrained(random_model)
    forward = one_stream.forward
    # As a model that takes positions but makes no mask of them.
    one_stream.forward = lambda *a, position_ids=None, **kw: forward(*a, **kw)
    assert not apart.keeps_apart(one_stream)
    monkeypatch.setattr(apart, "keeps_apart", lambda model: False)
    d = make.document(tmp_path, random_model, "sft", make.chats(2), packing=True)
    with pytest.raises(Input, match="does not keep samples of one sequence apart"):
        Method(jobs.parse(json.dumps(d)))


def test_samples_never_share_a_place():
    g = torch.Generator().manual_seed(1)
    for _ in range(200):
        count = int(torch.randint(1, 40, (), generator=g))
        lengths = torch.randint(1, 60, (count,), generator=g).tolist()
        places, rows, size = apart.arrange(lengths, 64)
        taken = set()
        for length, (row, offset) in zip(lengths, places, strict=True):
            assert 0 <= row < rows and offset + length <= size
            mine = {(row, offset + i) for i in range(length)}
            assert not mine & taken
            taken |= mine
        assert rows * size < max(2 * sum(lengths), count * max(lengths) + 1)


def test_packing_trains_as_separate_rows(tmp_path, random_model, train):
    """The same rows a step give the same losses whether they are packed or not."""
    rows = [{"text": " ".join(make.WORDS[: 3 + i % 6])} for i in range(12)]
    losses = {}
    for packing in (False, True):
        d = make.document(
            tmp_path / str(packing),
            random_model,
            "sft",
            rows,
            packing=packing,
            micro_batch=1 if packing else 12,
            max_seq_length=1024,
            epochs=4,
        )
        events = train(d)
        (data,) = [e["data"] for e in events if e["event"] == "data"]
        assert data["steps_per_epoch"] == 1
        losses[packing] = [e["loss"] for e in events if e["event"] == "step"]
    assert losses[True] == pytest.approx(losses[False], abs=1e-5)
