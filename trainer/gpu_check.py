"""Check training and embedding on a GPU: python gpu_check.py [--seconds 480] [--out FILE]

Needs a CUDA torch with the packages of requirements.txt, and no network. Measures tokens/s
and memory beside plain TRL (SFT and DPO; random models of 0.2 and 3 billion parameters, bf16,
packed, compiled), whether a stopped and resumed run ends with the weights of an undisturbed
one, and the embedder's speed. Prints a table and writes every figure to FILE as JSON, in
which `go test -run GPURuns ./training` finds the runs that estimates are compared with. Parts
for which no time is left are named as not run. Without a GPU, tiny models show that the
script works; those figures say nothing about a GPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench

ROOT = Path(__file__).parent
COMPILE_SECONDS = 100  # torch.compile either pays within this or not at all here


def main() -> None:
    parser = argparse.ArgumentParser(description="Check training and embedding on a GPU.")
    parser.add_argument("--seconds", type=float, default=480, help="begin no part after this")
    parser.add_argument("--only", default="", help="run only parts whose name contains this")
    parser.add_argument("--out", default="gpu-check.json", help="file for the figures")
    given = parser.parse_args()
    on_gpu = bench.gpu()
    small, large = ("small", "3b") if on_gpu else ("tiny", "mid")
    check = Check(Path(given.out), time.monotonic() + given.seconds, given.only)
    check.note("machine", machine())
    with tempfile.TemporaryDirectory() as place:
        folders = {size: prepare(size, Path(place)) for size in (small, large)}
        for method, size in (("sft", large), ("sft", small), ("dpo", large)):
            for side in bench.sides_of(method):
                check.train(method, size, side, folders[size])
        check.part("resume", lambda: resume(folders[small]))
        check.part("embedder", embedder)
        for side in bench.sides_of("dpo"):
            check.train("dpo", small, side, folders[small])
        for size in (small, large):
            check.train("sft", size, "ours compiled", folders[size], COMPILE_SECONDS)
    check.report()


class Check:
    """What was found so far; the file is whole after each part."""

    def __init__(self, out: Path, deadline: float, only: str):
        self._out, self._deadline, self._only = out, deadline, only
        self._found: dict = {"runs": []}

    def note(self, name: str, value) -> None:
        self._found[name] = value
        self._out.write_text(json.dumps(self._found, indent=1) + "\n")

    def part(self, name: str, run) -> None:
        if self._only not in name:
            self.note(name, {"not_run": "not asked for"})
            return
        if time.monotonic() > self._deadline:
            self.note(name, {"not_run": "no time was left"})
            return
        print(f"{name} …", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            found = run()
        except subprocess.TimeoutExpired as e:
            found = {"not_run": f"not done within {e.timeout:.0f} s"}
        except subprocess.CalledProcessError as e:
            found = {"failed": f"exit code {e.returncode}; its output is above"}
        self.note(name, found | {"seconds_in_all": round(time.monotonic() - started, 1)})

    def train(self, method: str, size: str, side: str, folder: Path, timeout=None) -> None:
        name = f"{method} {size} {side}"

        def run() -> dict:
            lines = "".join(json.dumps(r) + "\n" for r in bench.rows(method))
            (folder / "rows.jsonl").write_text(lines)
            found = bench.measure(method, side, folder, timeout)
            return {
                "method": method,
                "size": size,
                "side": side,
                "shape": shape(folder / "model"),
                **found,
            }

        self.part(name, run)
        self._found["runs"].append(self._found.pop(name) | {"name": name})
        self.note("runs", self._found["runs"])

    def report(self) -> None:
        print(json.dumps(self._found["machine"]))
        print(f"{'run':28} {'tokens/s':>9} {'of plain':>8} {'peak GB':>8}")
        plain = {}
        for r in self._found["runs"]:
            if "speed" not in r:
                print(f"{r['name']:28} {r.get('not_run') or r.get('failed')}")
                continue
            base = plain.setdefault((r["method"], r["size"]), r["speed"])
            print(
                f"{r['name']:28} {r['speed']:9.0f} {r['speed'] / base:8.2f} {r['peak'] / 1e9:8.2f}"
            )
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


def resume(folder: Path) -> dict:
    """An undisturbed run, one that is stopped after 4 steps and resumed, and how they differ."""
    whole = attempts(folder, "whole", 0)
    again = attempts(folder, "again", 0)
    cut = attempts(folder, "cut", 4)
    return {
        "undisturbed_twice_max_difference": difference(whole, again),
        "resumed_max_difference": difference(whole, cut),
        "equal": difference(whole, cut) == 0.0,
    }


def attempts(folder: Path, name: str, stop_after: int) -> Path:
    """Run a job to its end; with stop_after, once by SIGTERM and a resume. Its last adapter."""
    from jobs import document

    rows = bench.rows("sft")[:48]
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
    checkpoint = once(d, stop_after)
    if stop_after:
        assert checkpoint, "the stopped run wrote no checkpoint"
        once(d | {"resume": checkpoint}, 0)
    return Path(d["work_dir"]) / "output/last/adapter_model.safetensors"


def once(d: dict, stop_after: int) -> str:
    """One process of the trainer; the path of its last checkpoint, if it wrote one."""
    work = Path(d["work_dir"])
    (work / "job.json").write_text(json.dumps(d))
    read, write = os.pipe()
    command = ["bash", "-c", f'exec "$0" -m trainer job.json 3>&{write}', sys.executable]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{os.environ.get('PYTHONPATH', '')}"}
    p = subprocess.Popen(command, cwd=work, pass_fds=[write], env=environment)
    os.close(write)
    checkpoint = ""
    with os.fdopen(read) as events:
        for line in events:
            event = json.loads(line)
            if event["event"] == "checkpoint":
                checkpoint = str(work / event["path"])
            if event["event"] == "step" and event["step"] == stop_after:
                p.terminate()
    code = p.wait()
    if code != (75 if stop_after else 0):
        raise subprocess.CalledProcessError(code, command)
    return checkpoint


def difference(a: Path, b: Path) -> float:
    from safetensors.torch import load_file

    one, other = load_file(a), load_file(b)
    assert one.keys() == other.keys()
    return max((one[k].float() - other[k].float()).abs().max().item() for k in one)


def embedder() -> dict:
    script = ROOT.parent / "embedder/bench.py"
    out = subprocess.run([sys.executable, script], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(out.stdout.splitlines()[-1])


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    os.environ["PYTHONPATH"] = f"{ROOT / 'src'}:{os.environ.get('PYTHONPATH', '')}"
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    main()
