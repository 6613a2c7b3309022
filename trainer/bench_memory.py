"""What training needs on a CPU: python bench_memory.py [sft|dpo|embedding] … > measured.json

Trains random models of several shapes through the real process, one after the other, and
prints a JSON list with memory and time of each. The constants of the estimates in
training/estimate_memory.go and estimate_time.go come from it.

Times are those of the processor, which the one thread of a run would need on an idle machine
too. Every row is as long as max_seq_length, so nothing is padding.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent
SKIP = 2  # the first steps allocate and warm up
PAGE = os.sysconf("SC_PAGE_SIZE")

# hidden, layers, vocabulary: (rows of a micro-batch, tokens of a row, LoRA or all weights) …
GRID = {
    (64, 2, 512): [(8, 256, True)],
    (256, 6, 8_000): [(8, 256, True), (4, 1024, True), (1, 128, False)],
    (512, 8, 32_000): [(4, 128, True), (8, 256, False)],
    (768, 12, 32_000): [(4, 256, True)],
}
LORA = {"r": 8, "alpha": 16, "dropout": 0.1}
LORA["target_modules"] = ["q_proj", "k_proj", "v_proj", "o_proj"]


def main(methods: list[str]) -> None:
    from trainer import tiny

    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for (hidden, layers, vocab), loads in GRID.items():
            for method in methods:
                kind = "encoder" if method == "embedding" else "llama"
                model = folder / f"{kind}-{hidden}"
                if not model.exists():
                    tiny.make(kind, model, hidden=hidden, layers=layers, vocab=vocab)
                for batch, length, lora in loads:
                    if kind == "encoder":
                        length = min(length, tiny.LONGEST[kind])
                    point = {"method": method, "kind": kind, "hidden": hidden, "layers": layers}
                    point |= {"vocab": vocab, "batch": batch, "length": length, "lora": lora}
                    point |= run(folder, model, method, batch, length, lora)
                    print(json.dumps(point), file=sys.stderr)
                    found.append(point)
    print(json.dumps(found, indent=1))


def run(folder: Path, model: Path, method: str, batch: int, length: int, lora: bool) -> dict:
    """One job in a process of its own."""
    place = Path(tempfile.mkdtemp(dir=folder))
    return start(place, document(place, model, method, batch, length, lora))


def start(place: Path, job: dict) -> dict:
    """Memory and time of a job."""
    p, read = process(place, job)
    measured = follow(p.pid, read)
    _, status, used = os.wait4(p.pid, 0)
    if status:
        raise SystemExit((place / "log").read_text())
    measured["peak_bytes"] = used.ru_maxrss * 1024
    measured["seconds"] = used.ru_utime + used.ru_stime
    return measured


def events(place: Path, job: dict) -> list[dict]:
    """The events of a job."""
    p, read = process(place, job)
    with os.fdopen(read) as lines:
        found = [json.loads(line) for line in lines]
    if p.wait():
        raise SystemExit((place / "log").read_text())
    return found


def process(place: Path, job: dict) -> tuple[subprocess.Popen, int]:
    """A trainer, and the descriptor of its events."""
    file = place / "job.json"
    file.write_text(json.dumps(job))
    read, write = os.pipe()
    command = ["bash", "-c", f'exec "$0" -m trainer "$1" 3>&{write}', sys.executable, str(file)]
    with open(place / "log", "wb") as log:
        p = subprocess.Popen(  # noqa: S603
            command,
            pass_fds=[write],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
    os.close(write)
    return p, read


def follow(pid: int, descriptor: int) -> dict:
    """Memory and time of the processor as the events come in."""
    times, measured = [], {}
    with os.fdopen(descriptor) as events:
        for line in events:
            event = json.loads(line)
            if event["event"] == "device":
                measured["libraries_bytes"] = resident(pid)
            if event["event"] == "data":
                measured["loaded_bytes"] = resident(pid)
                measured["startup_seconds"] = seconds(pid)
            if event["event"] == "step":
                times.append((seconds(pid), event["tokens"]))
    (start, before), (end, after) = times[SKIP - 1], times[-1]
    return measured | {
        "step_tokens": (after - before) / (len(times) - SKIP),
        "step_seconds": (end - start) / (len(times) - SKIP),
        "first_steps_seconds": start - measured["startup_seconds"],
        "tokens_per_second": (after - before) / (end - start),
        "trained_tokens": after,
        "steps": len(times),
    }


def seconds(pid: int) -> float:
    """Time of the one thread that computes."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def document(place: Path, model: Path, method: str, batch: int, length: int, lora: bool) -> dict:
    count = batch * (5 if batch * length > 1 << 10 else 20)  # rows of 5 or 20 steps
    data = "".join(json.dumps(r) + "\n" for r in rows(method, count, length)).encode()
    (place / "rows.jsonl").write_bytes(data)
    config = {
        "epochs": 1,
        "batch_size": batch,
        "gradient_accumulation_steps": 1,
        "learning_rate": 1e-4,
        "lr_scheduler": "linear",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "max_seq_length": length,
        "eval_steps": 0,
        "save_steps": 0,
        "early_stopping_patience": 0,
        "packing": False,
        "assistant_only_loss": False,
        "merge": False,
    }
    d = {
        "version": 1,
        "job": "bench",
        "method": method,
        "model": {"name": "bench/random", "revision": "r1", "path": str(model)},
        "train": {
            "path": str(place / "rows.jsonl"),
            "sha256": hashlib.sha256(data).hexdigest(),
            "rows": count,
        },
        "work_dir": str(place),
        "seed": 1,
        "numerics": "fp32",
        "device": "cpu",
        "micro_batch": batch,
        "accumulation": 1,
        "config": config,
        "checkpoint_seconds": 1e6,
    }
    return d | {"lora": LORA} if lora else d


def rows(method: str, count: int, length: int) -> list[dict[str, str]]:
    """Rows that are all cut: a letter is at most a token, and a word at least one."""

    def long(i: int) -> str:
        return " ".join(f"{i} word {n}" for n in range(length))

    if method == "sft":
        return [{"text": long(i)} for i in range(count)]
    if method == "dpo":
        return [
            {"prompt": "say:", "chosen": long(i), "rejected": long(-i - 1)} for i in range(count)
        ]
    return [
        {"anchor": long(i), "positive": long(i + count), "negative": long(-i - 1)}
        for i in range(count)
    ]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    main(sys.argv[1:] or ["sft", "dpo", "embedding"])
