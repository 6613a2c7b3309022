"""What does running a job through the workflow cost, beside the trainer alone?

    make trainer build; OMP_NUM_THREADS=1 PYTHONPATH=trainer/src \
        trainer/.venv/bin/python -m trainer.tiny llama .cogflow/models/tiny/llama
    COGFLOW_TRAINING_MODELS_DIR=.cogflow/models make up        # in another terminal
    python3 docs/benchmarks/supervision.py chats.jsonl [ROUNDS [EPOCHS]]

Each round trains the same job twice, alternately: by `cogflow train sft` (checks, GPU lease,
checkpoints to the store, evaluation, publishing) and by the trainer process alone on the same rows and
settings. Compared are the seconds with a GPU in hand, which is what is paid for. Both include loading
the libraries.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORE = Path(
    os.environ.get("COGFLOW_STORE", f"file://{Path.cwd()}/.cogflow/store")[
        len("file://") :
    ]
)
MODELS = Path(
    os.environ.get("COGFLOW_TRAINING_MODELS_DIR", ".cogflow/models")
).resolve()


def cogflow(*args):
    out = subprocess.run(  # noqa: S603
        [ROOT / "bin/cogflow", *args, "--json", "--quiet"],
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(out.stdout)


def alone(spec, work):
    """The same job by the trainer alone; returns its seconds."""

    def rows(sha256):
        path = STORE / "default" / "datasets" / f"{sha256}.jsonl"
        return {
            "path": str(path),
            "sha256": sha256,
            "rows": len(path.read_text().splitlines()),
        }

    config = spec["config"]
    job = {
        "version": 1, "job": "alone", "method": spec["method"], "work_dir": str(work), "seed": spec["seed"],
        "model": {"name": spec["model"], "revision": spec["revision"], "path": str(MODELS / spec["model"])},
        "train": rows(spec["dataset"]), "eval": rows(spec["eval_dataset"]), "numerics": spec["numerics"],
        "device": "cpu", "micro_batch": config["batch_size"], "accumulation": config["gradient_accumulation_steps"],
        "config": config, "lora": spec["lora"], "checkpoint_seconds": 300,
    }  # fmt: skip
    (work / "job.json").write_text(json.dumps(job))
    python = ROOT / "trainer/.venv/bin/python"
    start = time.monotonic()
    with open(work / "events", "wb") as events:
        subprocess.run(  # noqa: S602
            f"exec {python} -m trainer {work}/job.json 3>&{events.fileno()} 2>{work}/stderr",
            shell=True, check=True, pass_fds=[events.fileno()], env={"PYTHONPATH": str(ROOT / "trainer/src"), "PATH": os.environ["PATH"]},
        )  # fmt: skip
    return time.monotonic() - start


def main():
    dataset, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    epochs = sys.argv[3] if len(sys.argv) > 3 else "2"
    supervised, bare = [], []
    for i in range(rounds):
        result = cogflow(
            "train", "sft", "--dataset", dataset, "--base-model", "tiny/llama", "--name", "overhead",
            "--set", f"epochs={epochs}", "--seed", str(1000 + int(time.time()) % 100000 + i),
        )  # fmt: skip
        supervised.append(result["seconds"])
        spec = cogflow("adapters", "show", f"overhead@{result['version']}")["spec"]
        with tempfile.TemporaryDirectory() as work:
            bare.append(alone(spec, Path(work)))
        print(
            f"round {i + 1}: workflow {supervised[-1]:.1f} s, trainer alone {bare[-1]:.1f} s",
            flush=True,
        )
    each = [a / b for a, b in zip(supervised, bare, strict=True)]
    print(
        f"workflow ÷ trainer alone: {sum(supervised) / sum(bare):.3f} in all, "
        f"{statistics.median(each):.3f} in the middle of {min(each):.3f} to {max(each):.3f} (goal: at most 1.02)"
    )


if __name__ == "__main__":
    main()
