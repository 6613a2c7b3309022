"""Speed and memory beside plain TRL: python bench.py [sft|dpo] [tiny|mid|small|3b] [ROUNDS]

Both train the same LoRA on the same rows of the same random model, each in a process of its
own, one after the other, ROUNDS times (3); medians are compared, and a run that shares its
machine is only good for the ratios. On a machine with a CUDA torch the GPU is used and memory
is the GPU's, else one thread of the CPU. "plain" is TRL with its defaults; "plain fp32" is the
same without bf16, which a CPU without instructions for it is slow at. Padding is not counted
as tokens. The goal is 2.0 over "plain" at equal or lower memory.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent
# The last two are for a GPU: SmolLM3-3B's published shape, and a tenth of its parameters.
SIZES = {
    "tiny": {"hidden": 64, "layers": 2},
    "mid": {"hidden": 256, "layers": 8},
    "small": {"hidden": 768, "layers": 24},
    "3b": {"hidden": 2048, "layers": 36},
}
PUBLISHED = {
    "intermediate_size": 11008,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 128256,
    "no_rope_layer_interval": 4,
}
SIDES = ("plain", "plain fp32", "ours", "ours packed")
IN_4_BITS = ("plain 4 bits", "ours 4 bits")  # of gpu_check.py
ROWS, BATCH, LIMIT, SKIP = 192, 8, 1024, 2
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]


def main(method: str = "sft", size: str = "mid", rounds: str = "3") -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model(size, folder / "model")
        (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows(method)))
        sides = sides_of(method)
        found = {s: [] for s in sides}
        for _ in range(int(rounds)):
            for side in sides:
                found[side].append(Processes().measure(method, side, folder))
    report(method, size, found)


def sides_of(method: str) -> list[str]:
    """What is compared: packing is for SFT alone, and no GPU trains slower in bf16."""
    left_out = {"ours packed"} if method == "dpo" else set()
    return [s for s in SIDES if s not in left_out | ({"plain fp32"} if gpu() else set())]


def gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def model(size: str, folder: Path) -> None:
    """Write a random model; one of SmolLM3-3B's shape is made on the GPU, in bf16."""
    from trainer import tiny

    if size != "3b":
        tiny.make("llama", folder, **SIZES[size])
        return
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tiny.make("smollm3", folder, hidden=64, layers=2)
    config = AutoConfig.from_pretrained(folder)
    shape = {"hidden_size": SIZES[size]["hidden"], "num_hidden_layers": SIZES[size]["layers"]}
    values = config.to_dict() | PUBLISHED | shape
    for derived in ("layer_types", "no_rope_layers"):  # follow from the shape
        values.pop(derived, None)
    with torch.device("cuda" if gpu() else "cpu"):
        network = AutoModelForCausalLM.from_config(type(config)(**values), dtype=torch.bfloat16)
    network.save_pretrained(folder)


def rows(method: str, count: int = ROWS) -> list[dict[str, str]]:
    """Lengths as in instruction data: half are short, few are long."""
    r = random.Random(1)
    words = "red green blue small large old new fast slow warm cold dark light".split()

    def text(median: float) -> str:
        return " ".join(r.choices(words, k=min(400, 1 + int(r.lognormvariate(0, 1) * median))))

    if method == "dpo":
        return [
            {"prompt": text(15), "chosen": " " + text(40), "rejected": " " + text(40) + " no"}
            for _ in range(count)
        ]
    return [{"prompt": text(15), "completion": " " + text(40)} for _ in range(count)]


class Processes:
    """Measures each run in a process of its own. ahead: the next one loads its libraries, which
    takes seconds, while the present one trains; only for machines with cores to spare."""

    def __init__(self, ahead: bool = False):
        self._ahead = ahead
        self._next: subprocess.Popen | None = None

    def measure(self, method: str, side: str, folder: Path, timeout: float | None = None) -> dict:
        p = self._next or self._start()
        self._next = self._start() if self._ahead else None
        try:
            out, _ = p.communicate(json.dumps([method, side, str(folder)]) + "\n", timeout)
        finally:
            p.kill()
            p.wait()
        if p.returncode:
            raise subprocess.CalledProcessError(p.returncode, p.args)
        return json.loads(out.splitlines()[-1])

    def end(self) -> None:
        if self._next is not None:
            self._next.kill()
            self._next.wait()

    @staticmethod
    def _start() -> subprocess.Popen:
        command = [sys.executable, __file__, "--one"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def report(method: str, size: str, found: dict[str, list[dict[str, float]]]) -> None:
    middle = {
        side: {k: statistics.median(r[k] for r in runs) for k in ("speed", "peak", "before")}
        for side, runs in found.items()
    }
    print(f"{method}, {size} model, {ROWS} rows, batch {BATCH}, median of {len(found['plain'])}")
    print(f"{'':12} {'tokens/s':>9} {'ratio':>6} {'peak MB':>8} {'of it training':>15}")
    for side, m in middle.items():
        ratio = m["speed"] / middle["plain"]["speed"]
        print(
            f"{side:12} {m['speed']:9.0f} {ratio:6.2f} {m['peak'] / 1e6:8.0f} "
            f"{(m['peak'] - m['before']) / 1e6:15.0f}"
        )


def one() -> None:
    """Train once in this process, as the line on stdin says, and print what it took."""
    import torch

    if gpu():  # where the memory of the libraries does not count
        import bitsandbytes  # noqa: F401
        import trl  # noqa: F401
    torch.set_num_threads(1)
    method, side, folder = json.loads(sys.stdin.readline())
    folder = Path(folder)
    if side not in IN_4_BITS:
        sys.modules.setdefault("bitsandbytes", None)  # as the trainer does
    times: list[tuple[float, int]] = []
    train = plain if side.startswith("plain") else ours
    data: dict = {}
    before = train(method, side, folder, times, data)
    (start, first), (end, last) = times[SKIP - 1], times[-1]
    speed = (last - first) / (end - start)
    print(
        json.dumps({"speed": speed, "before": before, "peak": peak(), "steps": len(times), **data})
    )


def peak() -> int:
    """Most memory so far, in bytes: reserved on the GPU, else resident."""
    from trainer import device

    return device.peak("cuda" if gpu() else "cpu")


def resident() -> int:
    """Memory before the training, which a GPU has none of."""
    if gpu():
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def plain(method: str, side: str, folder: Path, times: list, _: dict) -> int:
    """What TRL's documentation shows."""
    import datasets
    import torch
    from peft import LoraConfig
    from transformers import BitsAndBytesConfig, TrainerCallback
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    config, kind = {"sft": (SFTConfig, SFTTrainer), "dpo": (DPOConfig, DPOTrainer)}[method]
    more = {"bf16": False} if side == "plain fp32" else {}
    small = {}
    if side == "plain 4 bits":
        small["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )

    class Clock(TrainerCallback):
        def on_step_end(self, *_, **__):
            if gpu():
                torch.cuda.synchronize()
            times.append((time.perf_counter(), trainer._total_train_tokens))

    lines = (folder / "rows.jsonl").read_text().splitlines()
    dataset = datasets.Dataset.from_list([json.loads(x) for x in lines])
    before = resident()
    trainer = kind(
        model=str(folder / "model"),
        args=config(
            output_dir=str(folder / "out"),
            num_train_epochs=1,
            report_to="none",
            use_cpu=not gpu(),
            save_strategy="no",
            disable_tqdm=True,
            **more,
        ),
        train_dataset=dataset,
        peft_config=LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS),
        callbacks=[Clock()],
        **small,
    )
    assert trainer.args.per_device_train_batch_size == BATCH
    trainer.train()
    return before


def ours(method: str, side: str, folder: Path, times: list, data: dict) -> int:
    """The same job through run.run; data takes what the trainer says of the rows."""
    import importlib

    import torch
    from jobs import document

    from trainer import job, run, stop

    importlib.import_module(f"trainer.{method}")

    class Clock:
        def write(self, event, **fields):
            data.update(fields.get("data", {}))
            if event == "step":
                if gpu():
                    torch.cuda.synchronize()
                times.append((time.perf_counter(), fields["tokens"]))

        def phase(self, name):
            pass

    lines = [json.loads(x) for x in (folder / "rows.jsonl").read_text().splitlines()]
    packed = side == "ours packed"
    if side == "ours compiled":
        compiled(run)
    d = document(
        folder / side,
        folder / "model",
        method,
        lines,
        # As many tokens a step as the others have on average.
        micro_batch=1 if packed else BATCH,
        batch_size=1 if packed else BATCH,
        packing=packed,
        load_in_4bit=side == "ours 4 bits",
        max_seq_length=LIMIT,
        target_modules=TARGETS,
        **({"device": "cuda", "numerics": "bf16"} if gpu() else {}),
    )
    before = resident()
    run.run(job.parse(json.dumps(d)), Clock(), stop.Stop())
    return before


def compiled(run) -> None:
    """Have torch.compile make the model's kernels, which the product does not."""
    arguments = run.arguments
    run.arguments = lambda job: arguments(job) | {"torch_compile": True}


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    if sys.argv[1:2] == ["--one"]:
        one()
    else:
        main(*sys.argv[1:])
