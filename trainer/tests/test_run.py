"""Beginnings and ends of a run: finish, early stopping, memory, divergence, stops."""

import json
import os

import jobs as make
import pytest
import torch
from process import attempt
from test_job import check_events

from trainer import __main__ as program
from trainer.fault import Diverged, is_out_of_memory


def of(events, kind):
    return [e for e in events if e["event"] == kind]


def test_events_come_in_order(tmp_path, random_model):
    d = make.document(tmp_path, random_model, "sft", make.chats(4), make.chats(2, 9))
    code, events = attempt(d)
    assert code == 0
    check_events(events)
    assert [e.get("phase", e["event"]) for e in events] == [
        *("device", "load", "data", "data", "evaluate", "eval", "train", "step", "step", "eval"),
        *("checkpoint", "save", "evaluate", "eval", "done"),
    ]
    assert of(events, "device")[0]["versions"]["torch"].startswith("2.11.0")
    assert of(events, "step")[0]["memory_bytes"] > 1e8


def test_best_is_kept_and_patience_ends(tmp_path, random_model, train, monkeypatch):
    """Losses on held-out rows are scripted; weights and files are real."""
    from trainer.method import Evaluation
    from trainer.sft import Method

    script = iter([9, 5, 3, 4, 4, 3.5])  # base, then one every second step, best

    def scripted(_):
        metrics = {"loss": next(script), "accuracy": 0.0}
        return Evaluation(metrics, [{"row": row} | metrics for row in range(2)])

    monkeypatch.setattr(Method, "evaluate", scripted)
    d = make.document(
        tmp_path,
        random_model,
        "sft",
        make.chats(40),
        make.chats(2),
        eval_steps=2,
        early_stopping_patience=2,
        save_steps=1,
    )
    events = train(d)
    assert [e["step"] for e in of(events, "eval")] == [0, 2, 4, 6, 8, 4]
    done = events[-1]
    assert (done["step"], done["best_step"]) == (8, 4)
    work = tmp_path / "work"
    best = (work / "output/best/adapter_model.safetensors").read_bytes()
    assert best != (work / "output/last/adapter_model.safetensors").read_bytes()
    for step in (4, 5, 8):
        kept = work / f"checkpoints/{step:08d}/best/adapter_model.safetensors"
        assert kept.read_bytes() == best
    heads = {e["step"]: e["best_step"] for e in of(events, "checkpoint")}
    assert heads == {1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 4, 8: 4}


def test_finish_writes_the_best_so_far(tmp_path, random_model, train):
    d = make.document(
        tmp_path, random_model, "sft", make.chats(12), make.chats(3), save_steps=1, eval_steps=2
    )
    train(d)
    old = tmp_path / "work/checkpoints/00000003"
    d |= {"finish": True, "resume": str(old), "work_dir": str(tmp_path / "second")}
    d["config"]["merge"] = True
    os.mkdir(d["work_dir"])
    events = train(d)
    assert not of(events, "step")
    assert [e["of"] for e in of(events, "eval")] == ["base", "best"]
    assert (events[-1]["step"], events[-1]["best_step"]) == (3, 2)
    output = tmp_path / "second/output"
    best = (output / "best/adapter_model.safetensors").read_bytes()
    assert best == (old / "best/adapter_model.safetensors").read_bytes()
    assert best != (output / "last/adapter_model.safetensors").read_bytes()
    assert (output / "merged/model.safetensors").is_file()


def test_without_held_out_rows_the_last_is_the_best(tmp_path, random_model, train):
    events = train(make.document(tmp_path, random_model, "sft", make.chats(6)))
    assert not of(events, "eval")
    assert events[-1]["best_step"] == events[-1]["step"] == 3
    output = tmp_path / "work/output"
    names = [output / n / "adapter_model.safetensors" for n in ("best", "last")]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_checkpoints_by_the_clock(tmp_path, random_model, train, monkeypatch):
    from trainer import session

    now = [0.0]
    monkeypatch.setattr(session.time, "monotonic", lambda: now.__setitem__(0, now[0] + 1) or now[0])
    d = make.document(tmp_path, random_model, "sft", make.chats(24), checkpoint_seconds=9)
    steps = [e["step"] for e in of(train(d), "checkpoint")]
    assert 2 <= len(steps) <= 8 and steps[-1] == 12


def test_out_of_memory(tmp_path, random_model):
    d = make.document(tmp_path, random_model, "sft", make.chats(4))
    code, events = attempt(d, patch="out_of_memory")
    assert code == 71 and events[-1]["class"] == "out_of_memory"
    # For real: a step that needs more than the process may have.
    rows = [{"text": "red green blue " * 250}] * 64
    d = make.document(
        tmp_path / "real", random_model, "sft", rows, micro_batch=64, max_seq_length=4096
    )
    code, events = attempt(d, memory=400 << 20)
    assert code == 71, (tmp_path / "real" / "work" / "stderr.txt").read_text()
    assert events[-1]["class"] == "out_of_memory"


def test_what_is_out_of_memory():
    with pytest.raises(RuntimeError) as e:
        torch.empty(2**55)
    assert is_out_of_memory(e.value)
    wrapped = ValueError("x")
    wrapped.__cause__ = e.value
    assert is_out_of_memory(wrapped) and is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_divergence(tmp_path, random_model, train, monkeypatch):
    from trainer.sft import Trainer

    loss = Trainer.compute_loss

    def poisoned(self, *args, **named):
        factor = float("nan") if self.state.global_step == 3 else 1
        return loss(self, *args, **named) * factor

    monkeypatch.setattr(Trainer, "compute_loss", poisoned)
    d = make.document(tmp_path, random_model, "sft", make.chats(20), save_steps=1)
    with pytest.raises(Diverged, match="the loss of step 4 is nan"):
        train(d)
    events = [json.loads(x) for x in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert (events[-1]["event"], events[-1]["step"], events[-1]["loss"]) == ("step", 4, None)
    assert not (tmp_path / "work/checkpoints/00000004").exists(), "nothing spoilt is kept"


def test_stop_before_the_first_step(tmp_path, random_model):
    d = make.document(tmp_path, random_model, "sft", make.chats(4), make.chats(2))
    code, events = attempt(d, patch="stop_while_loading")
    assert code == 75 and not of(events, "step")


def test_stop_in_an_evaluation_leaves_it_to_the_next(tmp_path, random_model):
    d = make.document(tmp_path, random_model, "sft", make.chats(8), make.chats(2), eval_steps=2)
    whole = attempt(d)[1]
    d["work_dir"] = str(tmp_path / "stopped")
    code, events = attempt(d, patch="stop_in_second_evaluation")
    assert code == 75 and events[-1]["event"] == "checkpoint" and events[-1]["step"] == 2
    d["resume"] = str(tmp_path / "stopped/checkpoints/00000002")
    d["work_dir"] = str(tmp_path / "resumed")
    (tmp_path / "resumed/checkpoints/.00000002.1").mkdir(parents=True)  # of a killed attempt
    code, rest = attempt(d)
    assert code == 0
    assert [e["step"] for e in of(rest, "eval")] == [0, 2, 4, 4]
    whole, rest = ([e | {"elapsed": None} for e in events] for events in (whole, rest))
    assert of(rest, "eval") == of(whole, "eval")
    assert rest[-1] == whole[-1]
    assert not list((tmp_path / "resumed/checkpoints").glob(".*"))


def test_bad_job_ends_with_64(tmp_path, random_model):
    d = make.document(tmp_path, random_model, "sft", make.chats(4)) | {"surprise": 1}
    code, events = attempt(d)
    assert code == 64
    (event,) = events
    assert event["class"] == "input" and "surprise" in event["message"]


def test_usage(capsys):
    assert program.main([]) == 64
    assert "usage" in capsys.readouterr().err
