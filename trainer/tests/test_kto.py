"""KTO begins at its reference and learns which answers are rated good, on unseen rows too."""

import json

import jobs as make
import pytest
import torch

from trainer import job as jobs
from trainer import run
from trainer.fault import Input
from trainer.kto import Method, margins

LEARN = {
    "batch_size": 8,
    "micro_batch": 8,
    "epochs": 6,
    "learning_rate": 5e-3,
    "target_modules": ["all-linear"],
    "loss": "kto",
}


@pytest.mark.parametrize("lora", [True, False])
def test_first_step_is_the_reference(tmp_path, model, train, lora):
    changes = {"dropout": 0.5} if lora else {"lora": None}
    changes["loss"] = "kto"
    d = make.document(tmp_path, model, "kto", make.rated(8), make.rated(4, 90), **changes)
    events = train(d)
    first = make.steps(events)[0]
    assert first["loss"] == pytest.approx(0.5, abs=1e-6)
    assert first["metrics"]["kl"] == pytest.approx(0, abs=1e-6)
    base = make.evaluations(events)["base"]
    assert base["loss"] == pytest.approx(0.5, abs=1e-6)
    assert base["margin"] == pytest.approx(0, abs=1e-6)
    assert make.steps(events)[-1]["metrics"]["kl"] != 0


def test_learns_and_swapped_ratings_reverse_it(tmp_path, model, train):
    rows, unseen = make.rated(64), make.rated(16, 100)
    swapped = [{**r, "label": not r["label"]} for r in rows]
    found = {}
    for name, some in (("right", rows), ("swapped", swapped)):
        d = make.document(tmp_path / name, model, "kto", some, unseen, **LEARN)
        found[name] = train(d)
    right, wrong = (make.evaluations(found[n])["best"] for n in ("right", "swapped"))
    assert right["accuracy"] > 0.85 and right["margin"] > 0.5 and right["loss"] < 0.45
    assert wrong["margin"] < 0
    lines = (tmp_path / "right" / "work" / "evals" / "best.jsonl").read_text().splitlines()
    values = [json.loads(x) for x in lines]
    assert [v["row"] for v in values] == list(range(16))
    for name in ("loss", "accuracy", "margin"):
        assert right[name] == pytest.approx(sum(v[name] for v in values) / 16)
    for of in ("base", "best"):
        path = tmp_path / "right" / "work" / "evals" / f"{of}-answers.jsonl"
        assert [json.loads(line)["row"] for line in path.open()] == [0, 1, 2, 3, 4]


def test_recomputed_activations_change_nothing(tmp_path, random_model, train, monkeypatch):
    """On a GPU the trainer computes activations again in the backward pass."""
    losses, plain = [], run.arguments
    for on in (False, True):
        more = {"gradient_checkpointing": on}
        monkeypatch.setattr(run, "arguments", lambda job, more=more: {**plain(job), **more})
        changes = {"batch_size": 4, "micro_batch": 2, "accumulation": 2, "epochs": 3}
        folder, rows = tmp_path / str(on), make.rated(8)
        d = make.document(folder, random_model, "kto", rows, rows, learning_rate=1e-2, **changes)
        losses.append(make.losses(train(d)))
    assert losses[1] == pytest.approx(losses[0], abs=1e-6) and losses[0][0] != losses[0][-1]


@pytest.mark.parametrize("lora", [True, False])
def test_bf16(tmp_path, random_model, train, lora):
    changes = {} if lora else {"lora": None}
    d = make.document(tmp_path, random_model, "kto", make.rated(8), numerics="bf16", **changes)
    assert all(0 < e["loss"] < 1 for e in make.steps(train(d)))


def method(folder, model, **changes):
    d = make.document(folder, model, "kto", make.rated(7), **{"loss": "kto", **changes})
    return Method(jobs.parse(json.dumps(d)))


def test_prompts_get_the_answer_of_the_row_before(tmp_path, random_model):
    pairs = []
    for micro in (4, 2, 1):
        m = method(tmp_path / str(micro), random_model, batch_size=4, micro_batch=micro)
        m.prepare(make.rated(7), [])
        pairs.append([(r["prompt_ids"], r["KL_completion_ids"]) for r in m._train])
        answers = [r["completion_ids"] for r in m._train]
        others = [r["KL_completion_ids"] for r in m._train]
        assert others == [answers[i] for i in (3, 0, 1, 2, 6, 4, 5)]
    assert pairs[0] == pairs[1] == pairs[2]
    alone = method(tmp_path / "apo", random_model, loss="apo_zero_unpaired")
    alone.prepare(make.rated(7), [])
    assert "KL_completion_ids" not in alone._train[0]


def test_rows_without_room_are_left_out(tmp_path, random_model):
    rows = [*make.rated(6), {"prompt": "long " * 40, "completion": "a", "label": True}]
    m = method(tmp_path, random_model, max_seq_length=32)
    stats = m.prepare(rows, rows[-2:])
    assert (stats.rows, stats.dropped, stats.eval_dropped) == (7, 1, 1)
    assert len(m._train) == 6 and stats.max > 32


def test_conversations_are_written_by_the_template(tmp_path, random_model):
    said = [{"role": "user", "content": "red?"}]
    answer = [{"role": "assistant", "content": "light"}]
    m = method(tmp_path, random_model)
    m.prepare([{"prompt": said, "completion": answer, "label": True}], [])
    (row,) = m._train
    encoder = m._encoder()
    assert row["prompt_ids"] == encoder.prompt(said)
    assert row["prompt_ids"] + row["completion_ids"] == encoder.chat(said + answer)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"batch_size": 1, "micro_batch": 1}, "batch_size: kto needs at least 2 rows"),
        ({"batch_size": 4, "micro_batch": 3}, "3 does not divide batch_size 4"),
        ({"packing": True}, "not packed"),
        ({"loss": "triplet"}, "must be one of kto, apo_zero_unpaired"),
        ({"desirable_weight": 0}, "desirable_weight: 0"),
    ],
)
def test_refused_settings(tmp_path, random_model, changes, says):
    with pytest.raises(Input, match=says):
        method(tmp_path, random_model, **changes)


def test_margins_weigh_both_ratings_alike():
    good = torch.tensor([True, True, True, False])
    rewards = torch.tensor([1.0, 2.0, 3.0, 1.0], dtype=torch.float64)
    assert float(margins(rewards, good).mean()) == pytest.approx(2 - 1)
    assert float(margins(rewards * 0 + 5, good).abs().max()) == 0, "all answers became likelier"


def test_ratings_of_one_kind_have_no_margin(tmp_path, random_model, train):
    held = [r for r in make.rated(12, 90) if r["label"]]
    d = make.document(tmp_path, random_model, "kto", make.rated(8), held, loss="kto")
    best = make.evaluations(train(d))["best"]
    assert "margin" not in best and best["loss"] > 0
