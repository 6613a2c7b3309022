"""A run that is killed at any moment ends with the same result as an undisturbed one."""

import itertools
import json
import shutil

import captions
import jobs
import pytest
from process import attempt

# 15 rows, 2 a micro-batch, 2 micro-batches a step: 4 steps an epoch, the last of 3 rows.
SHAPE = {"accumulation": 2, "epochs": 3, "save_steps": 2, "dropout": 0.1, "eval_steps": 3}
STEPS = 12
ROWS = {
    "sft": (jobs.chats(15), jobs.chats(4, 40)),
    "dpo": (jobs.pairs(15), jobs.pairs(4, 40)),
    "kto": (jobs.rated(15), jobs.rated(4, 40)),
}
VARIANTS = {
    "sft": ("sft", {}),
    "dpo": ("dpo", {}),
    "kto": ("kto", {}),
    "whole": ("sft", {"lora": None, "learning_rate": 1e-4}),
    "packed": ("sft", {"packing": True, "accumulation": 1, "micro_batch": 1}),
    "images": ("sft", {"max_seq_length": 256}),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, random_model, looker):
    """Makes job documents, and runs each variant once without disturbance."""
    done = {}

    class Runs:
        def document(self, variant, folder):
            method, changes = VARIANTS[variant]
            if variant == "images":
                shown = captions.rows(folder / "images", 19)
                seen = {"images": str(folder / "images"), **SHAPE, **changes}
                return jobs.document(folder, looker, method, shown[:15], shown[15:], **seen)
            return jobs.document(folder, random_model, method, *ROWS[method], **SHAPE | changes)

        def __call__(self, variant):
            if variant not in done:
                folder = tmp_path_factory.mktemp(variant)
                code, events = attempt(self.document(variant, folder))
                assert code == 0, (folder / "work/stderr.txt").read_text()
                done[variant] = (folder / "work", events)
            return done[variant]

    return Runs()


def checkpoints(work):
    return sorted(p for p in (work / "checkpoints").iterdir() if not p.name.startswith("."))


def losses(events):
    return {e["step"]: (e["loss"], e["tokens"]) for e in events if e["event"] == "step"}


def resume(undisturbed, variant, folder, old, **options):
    """Go on from a checkpoint under another path, with nothing else of the first attempt."""
    document = undisturbed.document(variant, folder)
    shutil.copytree(old, folder / "carried" / old.name)
    document["resume"] = str(folder / "carried" / old.name)
    code, events = attempt(document, **options)
    return code, events, folder / "work"


def differences(work, events, other_work, other_events):
    """What two finished runs differ in."""
    found = []
    for name in ("output/best", "output/last", "evals"):
        for path in sorted((work / name).rglob("*")):
            twin = other_work / path.relative_to(work)
            if path.is_file() and (not twin.is_file() or path.read_bytes() != twin.read_bytes()):
                found.append(str(path.relative_to(work)))
    for name in ("weights.safetensors", "optimizer.safetensors", "random.safetensors"):
        ends = [checkpoints(w)[-1] / name for w in (work, other_work)]
        if ends[0].read_bytes() != ends[1].read_bytes():
            found.append(name)
    states = [
        json.loads((checkpoints(w)[-1] / "state.json").read_text()) for w in (work, other_work)
    ]
    if states[0] != states[1]:
        found.append("state.json")
    mine, others = losses(events), losses(other_events)
    if any(mine[s] != others[s] for s in mine.keys() & others.keys()):
        found.append("losses")
    done, other = ({**e[-1], "elapsed": None} for e in (events, other_events))
    if done != other:
        found.append("done")
    return found


@pytest.mark.parametrize(
    ("variant", "point", "n", "goes_on_at"),
    [
        ("sft", "step", 3, 2),  # in the middle of the first epoch
        ("sft", "step", 5, 4),  # at the end of an epoch
        ("sft", "step", 7, 6),  # in the middle of a later one
        ("sft", "sync", 25, 2),  # in the course of writing the second checkpoint
        ("sft", "publish", 1, 12),  # after the last step
        ("dpo", "step", 7, 6),
        ("kto", "step", 7, 6),
        ("whole", "step", 7, 6),
        ("packed", "step", 3, 2),
        ("images", "step", 7, 6),
    ],
)
def test_killed_run_ends_as_the_undisturbed_one(
    undisturbed, tmp_path, variant, point, n, goes_on_at
):
    whole_work, whole_events = undisturbed(variant)
    document = undisturbed.document(variant, tmp_path / "first")
    code, first = attempt(document, kill=(point, n))
    assert code == -9
    old = checkpoints(tmp_path / "first/work")[-1]
    assert int(old.name) == goes_on_at
    code, second, work = resume(
        undisturbed, variant, tmp_path / "second", old, patch="on_another_day"
    )
    assert code == 0, (work / "stderr.txt").read_text()
    steps = [*losses(first), *losses(second)]
    last = whole_events[-1]["step"]
    assert sorted(set(steps)) == list(range(1, last + 1))
    assert len(steps) - last <= 2, "redone steps are at most one interval"
    if goes_on_at == last:
        (work / "checkpoints").mkdir()
        shutil.copytree(old, work / "checkpoints" / old.name)
    assert differences(work, second, whole_work, whole_events) == []
    assert losses(first).items() <= losses(whole_events).items()


def test_stopped_run_ends_as_the_undisturbed_one(undisturbed, tmp_path):
    whole_work, whole_events = undisturbed("sft")
    first = undisturbed.document("sft", tmp_path / "first")
    code, events = attempt(first, term=9)  # in the first micro-batch of step 5
    assert code == 75
    assert events[-1]["event"] == "checkpoint" and events[-1]["step"] == 5
    old = tmp_path / "first/work" / events[-1]["path"]
    code, second, work = resume(undisturbed, "sft", tmp_path / "second", old)
    assert code == 0
    assert min(losses(second)) == 6
    assert differences(work, second, whole_work, whole_events) == []


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]
)
def test_truncated_checkpoint_is_refused_by_name(undisturbed, tmp_path, name):
    work, _ = undisturbed("sft")
    broken = tmp_path / "00000006"
    shutil.copytree(work / "checkpoints/00000006", broken)
    data = (broken / name).read_bytes()
    (broken / name).write_bytes(data[: len(data) // 2])
    code, events, _ = resume(undisturbed, "sft", tmp_path / "second", broken)
    assert code == 64
    assert events[-1]["class"] == "input" and name in events[-1]["message"]
    assert not any(e["event"] == "step" for e in events)


@pytest.mark.parametrize("patch", ["forget_optimizer", "forget_random", "forget_position"])
def test_comparison_finds_differences(undisturbed, tmp_path, patch):
    whole_work, whole_events = undisturbed("sft")
    old = whole_work / "checkpoints/00000006"
    code, events, work = resume(undisturbed, "sft", tmp_path, old, patch=patch)
    assert code == 0
    found = differences(work, events, whole_work, whole_events)
    assert {"weights.safetensors", "output/last/adapter_model.safetensors"} <= set(found)


def test_other_micro_batch_goes_on_with_the_same_rows(undisturbed, tmp_path):
    """As after a run that was out of memory."""
    whole_work, whole_events = undisturbed("sft")
    document = undisturbed.document("sft", tmp_path)
    document |= {
        "micro_batch": 1,
        "accumulation": 4,
        "resume": f"{whole_work}/checkpoints/00000002",
    }
    code, events = attempt(document)
    assert code == 0
    mine, whole = losses(events), losses(whole_events)
    for step in range(3, STEPS + 1):
        assert mine[step][1] == whole[step][1], "tokens so far"
        # Dropout falls on other places, so the losses agree only roughly.
        assert mine[step][0] == pytest.approx(whole[step][0], abs=0.05)


def test_checkpoint_of_another_job_is_refused(undisturbed, tmp_path):
    work, _ = undisturbed("sft")
    document = undisturbed.document("sft", tmp_path)
    document |= {"job": "other", "resume": f"{work}/checkpoints/00000002"}
    code, events = attempt(document)
    assert code == 64 and "belongs to job 'test'" in events[-1]["message"]


def test_dpo_reference_does_not_move(undisturbed):
    """The base is scored against itself by every attempt, and its margins are 0."""
    _, events = undisturbed("dpo")
    first, *rest = [e for e in events if e["event"] == "step"]
    assert first["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert first["metrics"]["rewards/margins"] == pytest.approx(0, abs=1e-5)
    assert any(abs(e["metrics"]["rewards/margins"]) > 1e-4 for e in rest)
    assert all(a["step"] < b["step"] for a, b in itertools.pairwise([first, *rest]))
