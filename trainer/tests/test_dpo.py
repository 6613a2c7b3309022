"""DPO begins at its reference and learns what is preferred, on unseen pairs too."""

import json
import math

import jobs as make
import pytest
import torch

from trainer import job as jobs
from trainer import run
from trainer.dpo import Method

LEARN = {
    "micro_batch": 8,
    "epochs": 6,
    "learning_rate": 5e-3,
    "target_modules": ["all-linear"],
    "beta": 0.1,
}


@pytest.mark.parametrize("lora", [True, False])
def test_first_step_is_the_reference(tmp_path, model, train, lora):
    changes = {"dropout": 0.5} if lora else {"lora": None}
    d = make.document(tmp_path, model, "dpo", make.pairs(8), make.pairs(4, 90), **changes)
    events = train(d)
    first = make.steps(events)[0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert first["metrics"]["rewards/margins"] == pytest.approx(0, abs=1e-6)
    base = make.evaluations(events)["base"]
    assert base["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert base["margin"] == pytest.approx(0, abs=1e-6)
    assert make.steps(events)[-1]["metrics"]["rewards/margins"] != 0


def test_learns_and_swapped_labels_reverse_it(tmp_path, model, train):
    pairs, unseen = make.pairs(48), make.pairs(12, 100)
    swapped = [{**p, "chosen": p["rejected"], "rejected": p["chosen"]} for p in pairs]
    found = {}
    for name, rows in (("right", pairs), ("swapped", swapped)):
        d = make.document(tmp_path / name, model, "dpo", rows, unseen, **LEARN)
        found[name] = train(d)
    right, wrong = (make.evaluations(found[n])["best"] for n in ("right", "swapped"))
    assert right["accuracy"] > 0.9 and right["margin"] > 0.5 and right["loss"] < 0.6
    assert make.steps(found["right"])[-1]["metrics"]["rewards/margins"] > 0.5
    # The best of the swapped run is the least bad one; the last shows where it went.
    assert wrong["margin"] < 0 and wrong["accuracy"] < 0.5
    lines = (tmp_path / "right" / "work" / "evals" / "best.jsonl").read_text().splitlines()
    rows = [json.loads(x) for x in lines]
    assert [r["row"] for r in rows] == list(range(12))
    assert right["margin"] == pytest.approx(sum(r["margin"] for r in rows) / 12)
    for of in ("base", "best"):
        path = tmp_path / "right" / "work" / "evals" / f"{of}-answers.jsonl"
        said = [json.loads(line) for line in path.open()]
        assert [a["row"] for a in said] == [0, 1, 2, 3, 4] and any(a["text"] for a in said)
    assert right["accuracy"] == sum(r["margin"] > 0 for r in rows) / 12


def test_micro_batches_of_any_size_make_the_same_steps(tmp_path, random_model, train):
    losses = {}
    for micro, accumulation in ((9, 1), (3, 3), (1, 9)):
        d = make.document(
            tmp_path / f"{micro}",
            random_model,
            "dpo",
            make.pairs(20),  # the last step has two
            micro_batch=micro,
            accumulation=accumulation,
            epochs=2,
            learning_rate=1e-2,
        )
        losses[micro] = make.losses(train(d))
    assert losses[3] == pytest.approx(losses[9], abs=2e-5)
    assert losses[1] == pytest.approx(losses[9], abs=2e-5)
    assert losses[1][-1] != pytest.approx(math.log(2), abs=1e-4)


def test_reference_is_the_same_after_a_resume(tmp_path, model, train, monkeypatch):
    """What TRL computes as the reference, before and after the adapter was loaded back."""
    pairs = make.pairs(8)
    seen = {}

    def look(document):
        m = Method(jobs.parse(json.dumps(document)))
        m.prepare(pairs, pairs)
        t = m.trainer(run.arguments(jobs.parse(json.dumps(document))))
        batch = m._collate([row for row in m._held_out])
        if "resume" in document:
            t._load_from_checkpoint(document["resume"])
        with torch.no_grad():
            reference = torch.stack(t.compute_ref_log_probs(m.model.eval(), batch))
            return reference, torch.stack(m._log_probs(batch).chunk(2))

    d = make.document(tmp_path, model, "dpo", pairs, **LEARN)
    seen["before"] = look(d)
    train(d)
    d["resume"] = str(tmp_path / "work/checkpoints/00000006")
    seen["after"] = look(d)
    assert torch.equal(seen["before"][0], seen["after"][0])
    assert (seen["before"][1] - seen["after"][1]).abs().max() > 0.1


def test_packing_is_refused(tmp_path, random_model, train):
    d = make.document(tmp_path, random_model, "dpo", make.pairs(4), packing=True)
    with pytest.raises(Exception, match="pairs, which are not packed"):
        train(d)
