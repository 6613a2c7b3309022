"""Jobs and rows for tests."""

import dataclasses
import hashlib
import json
from pathlib import Path

from trainer import job as jobs

LORA = {"r": 8, "alpha": 16, "dropout": 0.0, "target_modules": ["q_proj", "k_proj", "v_proj"]}
CONFIG = {
    "epochs": 1,
    "batch_size": 2,
    "gradient_accumulation_steps": 1,
    "learning_rate": 1e-3,
    "lr_scheduler": "linear",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "max_seq_length": 64,
    "eval_steps": 0,
    "save_steps": 0,
    "early_stopping_patience": 0,
    "packing": False,
    "assistant_only_loss": False,
    "merge": False,
}
WORDS = "red green blue small large old new fast slow warm cold dark light round flat".split()


def chats(n, start=0):
    """Conversations of different lengths."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"item {i}"},
                {"role": "assistant", "content": " ".join(WORDS[i % 7 : i % 7 + 2 + i % 5])},
            ]
        }
        for i in range(start, start + n)
    ]


def prompts(n):
    """Short questions with one answer each."""
    return [
        {"prompt": f"{WORDS[i % 15]} {WORDS[(i * 7) % 15]}:", "completion": f" {WORDS[i - 5]}"}
        for i in range(n)
    ]


def pairs(n, start=0):
    """Pairs with a rule that also holds for unseen pairs: the light word is chosen."""
    return [
        {
            "prompt": f"{WORDS[i % 15]} {WORDS[(i * 4 + 1) % 15]}: ",
            "chosen": f"light {WORDS[(i * 2) % 15]}",
            "rejected": f"dark {WORDS[(i * 2) % 15]} {'old ' * (i % 3)}".strip(),
        }
        for i in range(start, start + n)
    ]


def rated(n, start=0):
    """Rated answers with the rule of pairs, of each pair one or both."""
    both = [
        {"prompt": p["prompt"], "completion": p[side], "label": side == "chosen"}
        for p in pairs(n, start)
        for side in ("chosen", "rejected")
    ]
    return [row for i, row in enumerate(both) if i % 3 or i % 2][:n]


def write_rows(path: Path, rows) -> dict:
    """Write canonical rows and return the job's File."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"path": str(path), "sha256": hashlib.sha256(data).hexdigest(), "rows": len(rows)}


def document(folder: Path, model: Path, method: str, train, held_out=None, **changes) -> dict:
    """A job document; changes are keys of the job, of its config or of its lora."""
    d = {
        "version": 1,
        "job": "test",
        "method": method,
        "model": {"name": "test/tiny", "revision": "a" * 40, "path": str(model)},
        "train": write_rows(folder / "rows/train.jsonl", train),
        "work_dir": str(folder / "work"),
        "seed": 7,
        "numerics": "fp32",
        "device": "cpu",
        "micro_batch": 2,
        "accumulation": 1,
        "config": dict(CONFIG),
        "lora": dict(LORA),
        "checkpoint_seconds": 1e6,
    }
    if method == "kto":
        d["config"]["loss"] = "kto"
    if held_out:
        d["eval"] = write_rows(folder / "rows/eval.jsonl", held_out)
    known = {f.name for f in dataclasses.fields(jobs.Config)}
    for key, value in changes.items():
        if key in known:
            d["config"][key] = value
        elif key in ("r", "alpha", "dropout", "target_modules"):
            d["lora"][key] = value
        else:
            d[key] = value
    Path(d["work_dir"]).mkdir(parents=True, exist_ok=True)
    return d


def plain(folder, **changes):
    """Arguments of a plain script of the libraries: on a CPU, in fp32, as document() trains."""
    return {
        "output_dir": str(folder / "plain"),
        "num_train_epochs": 2,
        "per_device_train_batch_size": 2,
        "learning_rate": 5e-3,
        "seed": 7,
        "data_seed": 7,
        "optim": "adamw_torch",
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        **changes,
    }


def steps(events):
    return [e for e in events if e["event"] == "step"]


def losses(events):
    return [e["loss"] for e in steps(events)]


def evaluations(events):
    """The last metrics of each kind of evaluation."""
    return {e["of"]: e["metrics"] for e in events if e["event"] == "eval"}
