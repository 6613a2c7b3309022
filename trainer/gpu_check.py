"""Check training and embedding on a GPU: python gpu_check.py [--seconds 480] [--out FILE]

Needs a CUDA torch with the packages of requirements.txt, and no network. Measures tokens/s
and memory beside plain TRL (SFT and DPO; random models of 0.2 and 3 billion parameters, bf16,
packed, with the base in 4 bits, compiled), whether a stopped and resumed run ends with the weights
of an undisturbed one, and the embedder's speed. Prints a table and writes every figure to FILE as
JSON. `go run ./deploy/gpucheck FILE` makes a Markdown table of it with the estimates beside the
measured figures, and `COGFLOW_GPU_CHECK=FILE go test -run GPURuns ./training/...` checks them. It
ends after the given seconds: parts for which no time is left are named as not run. Without a GPU,
tiny models show that the script works; those figures say nothing about a GPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import bench

ROOT = Path(__file__).parent
COMPILE_SECONDS = 100  # torch.compile either pays within this or not at all here
ROWS = 96  # of a run, which makes 12 steps of 8


def main() -> None:
    parser = argparse.ArgumentParser(description="Check training and embedding on a GPU.")
    parser.add_argument("--seconds", type=float, default=480, help="time for all parts")
    parser.add_argument("--only", default="", help="run only parts whose name contains this")
    parser.add_argument("--out", default="gpu-check.json", help="file for the figures")
    given = parser.parse_args()
    on_gpu = bench.gpu()
    small, large = ("small", "3b") if on_gpu else ("tiny", "tiny")
    check = Check(Path(given.out), time.monotonic() + given.seconds, given.only)
    check.note("machine", machine())
    with tempfile.TemporaryDirectory() as place:
        folders = {size: prepare(size, Path(place)) for size in {small, large}}
        for method in ("sft", "dpo"):
            for side in bench.sides_of(method):
                check.train(method, large, side, folders[large])
        check.part("resume", lambda left: resume(folders[small], left))
        for side in bench.IN_4_BITS:
            check.train("sft", large, side, folders[large])
        check.part("embedder", embedder)
        check.train("sft", small, "plain", folders[small])
        check.train("sft", small, "ours", folders[small])
        check.train("sft", small, "ours compiled", folders[small], COMPILE_SECONDS)
        for method in ("dpo", "sft"):
            for side in bench.sides_of(method):
                if method == "dpo" or side not in ("plain", "ours"):
                    check.train(method, small, side, folders[small])
        check.train("sft", large, "ours compiled", folders[large], COMPILE_SECONDS)
        check.end()
    check.report()


class Check:
    """What was found so far; the file is whole after each part."""

    def __init__(self, out: Path, deadline: float, only: str):
        self._out, self._deadline, self._only = out, deadline, only
        self._found: dict = {"runs": []}
        self._processes = bench.Processes(ahead=bench.gpu())

    def end(self) -> None:
        self._processes.end()

    def note(self, name: str, value) -> None:
        self._found[name] = value
        self._out.write_text(json.dumps(self._found, indent=1) + "\n")

    def part(self, name: str, run) -> None:
        if self._only not in name:
            self.note(name, {"not_run": "not asked for"})
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.note(name, {"not_run": "no time was left"})
            return
        print(f"{name} …", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            found = run(left)
        except subprocess.TimeoutExpired as e:
            found = {"not_run": f"not done within {e.timeout:.0f} s"}
        except subprocess.CalledProcessError as e:
            found = {"failed": f"exit code {e.returncode}; its output is above"}
        self.note(name, found | {"seconds_in_all": round(time.monotonic() - started, 1)})

    def train(self, method: str, size: str, side: str, folder: Path, timeout=None) -> None:
        name = f"{method} {size} {side}"
        if any(r["name"] == name for r in self._found["runs"]):
            return  # without a GPU there is one size

        def run(left: float) -> dict:
            lines = "".join(json.dumps(r) + "\n" for r in bench.rows(method, ROWS))
            (folder / "rows.jsonl").write_text(lines)
            found = self._processes.measure(method, side, folder, min(left, timeout or left))
            ours, packed = side.startswith("ours"), side == "ours packed"
            return {
                "method": method,
                "size": size,
                "side": side,
                "device": self._found["machine"]["device"],
                "shape": shape(folder / "model"),
                "packing": packed,
                "load_in_4bit": side == "ours 4 bits",
                "batch_size": 1 if packed else bench.BATCH,
                "max_seq_length": bench.LIMIT,
                "rows": found["rows"] - found["dropped"] if ours else 0,
                "tokens": found["tokens"] if ours else 0,
                "longest": found["max"] if ours else 0,
                "peak_bytes": found["peak"],
                "tokens_per_second": round(found["speed"], 1),
                "steps": found["steps"],
            }

        self.part(name, run)
        self._found["runs"].append(self._found.pop(name) | {"name": name})
        self.note("runs", self._found["runs"])

    def report(self) -> None:
        print(json.dumps(self._found["machine"]))
        print(f"{'run':28} {'tokens/s':>9} {'of plain':>8} {'peak GB':>8}")
        plain = {}
        for r in self._found["runs"]:
            if "steps" not in r:
                print(f"{r['name']:28} {r.get('not_run') or r.get('failed')}")
                continue
            speed, peak = r["tokens_per_second"], r["peak_bytes"]
            if r["side"] == "plain":
                plain[r["method"], r["size"]] = speed
            base = plain.get((r["method"], r["size"]), speed)
            print(f"{r['name']:28} {speed:9.0f} {speed / base:8.2f} {peak / 1e9:8.2f}")
        for part in ("resume", "embedder"):
            print(part, json.dumps(self._found[part]))


def machine() -> dict:
    import torch
    import transformers
    import trl

    found = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "trl": trl.__version__,
    }
    if not bench.gpu():
        return found | {"device": "cpu"}
    p = torch.cuda.get_device_properties(0)
    return found | {"device": p.name, "memory_bytes": p.total_memory, "cuda": torch.version.cuda}


def prepare(size: str, place: Path) -> Path:
    """A folder with a model; in a process of its own, so that it leaves nothing on the GPU."""
    folder = place / size
    folder.mkdir()
    code = f"import bench, pathlib; bench.model({size!r}, pathlib.Path({str(folder / 'model')!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    return folder


def shape(model: Path) -> dict:
    """training.Shape of a model of the Llama kind, from its files."""
    c = json.loads((model / "config.json").read_text())
    sizes = {"bytes": 0, "parameters": 0}
    for file in model.glob("*.safetensors"):
        sizes["bytes"] += file.stat().st_size
        with open(file, "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        for name, tensor in header.items():
            if name != "__metadata__":
                n = 1
                for d in tensor["shape"]:
                    n *= d
                sizes["parameters"] += n
    hidden, layers, inner = c["hidden_size"], c["num_hidden_layers"], c["intermediate_size"]
    heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
    head = c.get("head_dim") or hidden // heads
    block = {
        "mlp.down_proj": (inner, hidden),
        "mlp.gate_proj": (hidden, inner),
        "mlp.up_proj": (hidden, inner),
        "self_attn.k_proj": (hidden, kv * head),
        "self_attn.o_proj": (heads * head, hidden),
        "self_attn.q_proj": (hidden, heads * head),
        "self_attn.v_proj": (hidden, kv * head),
    }
    tied = bool(c.get("tie_word_embeddings"))
    linear = [] if tied else [{"name": "lm_head", "in": hidden, "out": c["vocab_size"], "count": 1}]
    linear += [
        {"name": f"model.layers.*.{name}", "in": i, "out": o, "count": layers}
        for name, (i, o) in block.items()
    ]
    return {
        "architecture": c["model_type"],
        "parameters": sizes["parameters"],
        "weight_bytes": sizes["bytes"],
        "layers": layers,
        "hidden": hidden,
        "intermediate": inner,
        "heads": heads,
        "kv_heads": kv,
        "vocab": c["vocab_size"],
        "max_positions": c["max_position_embeddings"],
        "tied": tied,
        "linear": linear,
    }


def resume(folder: Path, left: float) -> dict:
    """An undisturbed run, one that is stopped after 4 steps and resumed, and how they differ."""
    deadline = time.monotonic() + left
    whole = attempts(folder, "whole", 0, deadline)
    again = attempts(folder, "again", 0, deadline)
    cut = attempts(folder, "cut", 4, deadline)
    return {
        "undisturbed_twice_max_difference": difference(whole, again),
        "resumed_max_difference": difference(whole, cut),
        "equal": difference(whole, cut) == 0.0,
    }


def attempts(folder: Path, name: str, stop_after: int, deadline: float) -> Path:
    """Run a job to its end; with stop_after, once by SIGTERM and a resume. Its last adapter."""
    from jobs import document

    rows = bench.rows("sft", 32)
    gpu = {"device": "cuda", "numerics": "bf16"} if bench.gpu() else {}
    d = document(
        folder / name,
        folder / "model",
        "sft",
        rows,
        micro_batch=4,
        batch_size=4,
        max_seq_length=512,
        dropout=0.1,
        target_modules=bench.TARGETS,
        **gpu,
    )
    checkpoint = once(d, stop_after, deadline)
    if stop_after:
        assert checkpoint, "the stopped run wrote no checkpoint"
        once(d | {"resume": checkpoint}, 0, deadline)
    return Path(d["work_dir"]) / "output/last/adapter_model.safetensors"


def once(d: dict, stop_after: int, deadline: float) -> str:
    """One process of the trainer; the path of its last checkpoint, if it wrote one."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise subprocess.TimeoutExpired("trainer", 0)
    work = Path(d["work_dir"])
    (work / "job.json").write_text(json.dumps(d))
    read, write = os.pipe()
    command = ["bash", "-c", f'exec "$0" -m trainer job.json 3>&{write}', sys.executable]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{os.environ.get('PYTHONPATH', '')}"}
    p = subprocess.Popen(command, cwd=work, pass_fds=[write], env=environment)
    os.close(write)
    late = threading.Timer(left, p.kill)
    late.start()
    checkpoint = ""
    with os.fdopen(read) as events:
        for line in events:
            event = json.loads(line)
            if event["event"] == "checkpoint":
                checkpoint = str(work / event["path"])
            if event["event"] == "step" and event["step"] == stop_after:
                p.terminate()
    code = p.wait()
    late.cancel()
    if time.monotonic() > deadline:
        raise subprocess.TimeoutExpired(command, left)
    if code != (75 if stop_after else 0):
        raise subprocess.CalledProcessError(code, command)
    return checkpoint


def difference(a: Path, b: Path) -> float:
    from safetensors.torch import load_file

    one, other = load_file(a), load_file(b)
    assert one.keys() == other.keys()
    return max((one[k].float() - other[k].float()).abs().max().item() for k in one)


def embedder(left: float) -> dict:
    command = [sys.executable, ROOT.parent / "embedder/bench.py"]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=left)
    return json.loads(out.stdout.splitlines()[-1])


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    os.environ["PYTHONPATH"] = f"{ROOT / 'src'}:{os.environ.get('PYTHONPATH', '')}"
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    main()
