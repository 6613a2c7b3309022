"""Both documents: strict in, samples shared with the Go side."""

import json
from pathlib import Path

import pytest

from trainer import job as jobs
from trainer.events import Events, finite
from trainer.fault import Input

SAMPLES = Path(__file__).parent.parent / "testdata"
SFT = json.loads((SAMPLES / "job-sft.json").read_text())


@pytest.mark.parametrize("name", ["sft", "dpo", "kto", "embedding"])
def test_samples_parse(name):
    job = jobs.read(str(SAMPLES / f"job-{name}.json"))
    assert job.method == name
    assert job.lora is None or job.lora.target_modules
    assert job.config.epochs == 3.0 and isinstance(job.config.epochs, float)


def test_sample_of_late_interaction_parses():
    job = jobs.read(str(SAMPLES / "job-late.json"))
    assert (job.method, job.config.loss) == ("embedding", "late_interaction")
    assert job.images == "/scratch/job/images"


def test_rows_that_may_be_dropped():
    assert jobs.parse(json.dumps(SFT)).may_drop == jobs.MayDrop(3, 1)
    assert jobs.parse(changed("may_drop", KeyError)).may_drop is None, "as before"
    assert jobs.parse(changed("may_drop.eval", KeyError)).may_drop == jobs.MayDrop(3)


def test_repository_names_the_base():
    assert jobs.Model("n", "r", "/p").id == "n"
    assert jobs.Model("n", "r", "/p", "org/n").id == "org/n"


def changed(path, value):
    document = json.loads(json.dumps(SFT))
    *parents, last = path.split(".")
    place = document
    for p in parents:
        place = place[p]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("version", 2, "version is 2"),
        ("surprise", 1, "unknown key 'surprise'"),
        ("config.surprise", 1, "job.config: unknown key"),
        ("model.path", KeyError, "job.model: path is missing"),
        ("seed", KeyError, "seed is missing"),
        ("seed", 1.5, "job.seed: must be a whole number"),
        ("seed", True, "job.seed: must be a whole number"),
        ("seed", -1, "job.seed: -1 is not in"),
        ("method", "ppo", "must be one of sft, dpo, kto, embedding"),
        ("numerics", "fp8", "must be one of fp32"),
        ("work_dir", "work", "not absolute"),
        ("resume", "../x", "not absolute"),
        ("finish", True, "requires resume"),
        ("micro_batch", 0, "job.micro_batch: 0"),
        ("may_drop", {"eval": 1}, "job.may_drop: train is missing"),
        ("may_drop.train", -1, "job.may_drop.train: -1"),
        ("may_drop.eval", -1, "job.may_drop.eval: -1"),
        ("start", {"path": "a"}, "job.start: sha256 is missing"),
        ("start", {"path": "a", "sha256": "1" * 64}, "job.start.path: 'a' is not absolute"),
        ("start", {"path": "/a", "sha256": "1"}, "job.start.sha256: '1' must be a SHA-256"),
        ("train.sha256", "ABC", "must be a SHA-256"),
        ("config.learning_rate", 1e400, "not finite"),
        ("config.learning_rate", "1e-4", "must be a number"),
        ("config.epochs", 0, "not above 0"),
        ("config.lr_scheduler", "step", "must be one of linear"),
        ("config.packing", 1, "true or false"),
        ("lora.r", 0, "job.lora.r"),
        ("lora.dropout", 1.0, "not in [0, 1)"),
        ("lora.target_modules", [], "is empty"),
        ("lora.target_modules", ["q", 1], "target_modules[1]: must be a string"),
        ("lora", 5, "job.lora: must be an object"),
        ("checkpoint_seconds", -1, "checkpoint_seconds"),
        ("clock", "noon", "job.clock: 'noon' must be a time"),
        ("clock", "2026-11-28T23:59:30", "with its zone"),
        ("config.chat_template_kwargs", [], "chat_template_kwargs: must be an object"),
    ],
)
def test_refusals_name_the_key(path, value, says):
    text = changed(path, value).replace("Infinity", "1e400")
    with pytest.raises(Input) as e:
        jobs.parse(text)
    assert says in str(e.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ('{"version": 1, "version": 1}', "twice"),
        ('{"version": 1, "seed": NaN}', "NaN"),
    ],
)
def test_invalid_documents_are_refused(text, says):
    with pytest.raises(Input) as e:
        jobs.parse(text)
    assert says in str(e.value)


def test_fp16_is_refused_on_the_cpu():
    text = changed("device", "cpu").replace('"bf16"', '"fp16"')
    with pytest.raises(Input, match="fp16 requires a GPU"):
        jobs.parse(text)


def test_null_is_absent():
    assert jobs.parse(changed("lora", None)).lora is None


def test_events_are_json_lines(tmp_path):
    with open(tmp_path / "e", "wb") as f:
        events = Events(f.fileno())
        events.phase("load")
        events.write("step", loss=float("nan"), metrics={"grad_norm": float("inf"), "a": 1.5})
    lines = (tmp_path / "e").read_text().splitlines()
    first = json.loads(lines[0])
    assert 0 < first.pop("elapsed") <= json.loads(lines[1])["elapsed"]
    assert first == {"event": "phase", "phase": "load"}
    assert json.loads(lines[1])["loss"] is None
    assert json.loads(lines[1])["metrics"] == {"grad_norm": None, "a": 1.5}
    assert finite([1, (2.0, float("-inf"))]) == [1, [2.0, None]]


FIELDS = {
    "phase": {"phase"},
    "device": {"device", "memory_bytes", "versions"},
    "data": {"data"},
    "step": {
        "step",
        "total",
        "epoch",
        "loss",
        "learning_rate",
        "tokens",
        "tokens_per_second",
        "memory_bytes",
        "metrics",
    },
    "eval": {"of", "step", "metrics", "rows"},
    "checkpoint": {"step", "path", "best_step"},
    "done": {"step", "best_step", "path", "metrics"},
    "findings": {"findings"},
    "error": {"class", "message"},
}
STATS = {"rows", "eval_rows", "tokens", "p50", "p90", "p99", "max", "truncated", "dropped"}
STATS |= {"eval_dropped", "sampled", "eval_tokens"}


def check_events(events):
    """Events have the fields of the protocol and no others."""
    for e in events:
        assert set(e) - {"event", "elapsed"} == FIELDS[e["event"]]
        assert e["elapsed"] > 0
        if e["event"] == "data":
            assert set(e["data"]) == STATS | {"steps_per_epoch"}


def test_sample_events_have_the_fields_of_the_protocol():
    lines = (SAMPLES / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    check_events(events)
    assert {e["event"] for e in events} == set(FIELDS)
