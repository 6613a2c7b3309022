"""TensorBoard reads the event file that a worker derives from the events of a trainer."""

import json
import math
import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SAMPLES = Path(__file__).parent.parent / "testdata"


def test_scalars_are_those_of_the_events(tmp_path):
    shutil.copy(SAMPLES / "events.out.tfevents.sample", tmp_path)
    board = EventAccumulator(str(tmp_path)).Reload()
    events = [json.loads(line) for line in (SAMPLES / "events.jsonl").read_text().splitlines()]
    steps = [e for e in events if e["event"] == "step"]
    evaluations = [e for e in events if e["event"] == "eval" and e["of"] != "best"]
    expected = {
        "train/loss": [(e["step"], math.nan if e["loss"] is None else e["loss"]) for e in steps],
        "train/epoch": [(e["step"], e["epoch"]) for e in steps],
        "train/learning_rate": [(e["step"], e["learning_rate"]) for e in steps],
        "train/tokens": [(e["step"], e["tokens"]) for e in steps],
        "train/tokens_per_second": [(e["step"], e["tokens_per_second"]) for e in steps],
        "train/memory_bytes": [(e["step"], e["memory_bytes"]) for e in steps],
    }
    for name in steps[0]["metrics"]:
        values = [(e["step"], e["metrics"][name]) for e in steps]
        expected[f"train/{name}"] = [v for v in values if v[1] is not None]
    for name in evaluations[0]["metrics"]:
        expected[f"eval/{name}"] = [(e["step"], e["metrics"][name]) for e in evaluations]
    best = next(e for e in events if e["event"] == "eval" and e["of"] == "best")
    for name, value in best["metrics"].items():
        expected[f"best/{name}"] = [(best["step"], value)]
    assert set(board.Tags()["scalars"]) == set(expected)
    for tag, points in expected.items():
        found = board.Scalars(tag)
        assert [p.step for p in found] == [step for step, _ in points], tag
        values = [v for _, v in points]
        assert [p.value for p in found] == pytest.approx(values, rel=1e-6, nan_ok=True), tag
        times = [p.wall_time for p in found]
        assert times == sorted(times)
    assert board.FirstEventTimestamp() == 1795910370  # when the job began
