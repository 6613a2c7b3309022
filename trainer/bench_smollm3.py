"""Estimates beside measured runs for SmolLM3: python bench_smollm3.py [NAME …] > measured.json

Counts rows as a plan does and trains on them, in the real process, with a chat template that
writes what SmolLM3's writes. The models have SmolLM3's architecture (four key/value heads, every
fourth layer without positions, tied embeddings, its vocabulary) in smaller sizes. The runs in
training/estimate/testdata/smollm3-runs.json come from it, on an otherwise idle machine.
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import bench_memory

ROOT = Path(__file__).parent
VOCAB = 128_256
# hidden, layers, method, rows of a micro-batch, dataset rows, held-out rows, config, LoRA
RUNS = {
    "sft 512x8": (512, 8, "sft", 4, 40, 0, {}, True),
    "sft 512x8, no thinking, answers only": (
        *(512, 8, "sft", 4, 80, 0),
        {"chat_template_kwargs": {"enable_thinking": False}, "assistant_only_loss": True},
        True,
    ),
    "sft 512x8, packed": (512, 8, "sft", 2, 40, 0, {"packing": True, "max_seq_length": 1024}, True),
    "sft 512x8, held out": (512, 8, "sft", 4, 40, 12, {}, True),
    "sft 512x8, all weights": (512, 8, "sft", 4, 24, 0, {}, False),
    "dpo 512x8": (512, 8, "dpo", 2, 16, 0, {}, True),
    "sft 768x10": (768, 10, "sft", 4, 24, 0, {}, True),
    "sft 1024x12": (1024, 12, "sft", 2, 16, 0, {}, True),
}


def main(names: list[str]) -> None:
    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in names or RUNS:
            hidden, layers, method, batch, count, held, config, lora = RUNS[name]
            model = folder / f"{hidden}x{layers}"
            if not model.exists():
                make(model, hidden, layers)
            d = document(folder, model, method, batch, (count, held), config, lora)
            planned = data({**d, "measure": True, "device": "cpu"}, folder)
            point = {"name": name, "method": method, "shape": shape(model), "lora": lora}
            point |= {"batch_size": batch, "accumulation": 1, "rows": count, "config": config}
            point |= {k: planned[k] for k in ("tokens", "eval_rows", "eval_tokens")}
            point |= {"longest": planned["max"], "max_seq_length": d["config"]["max_seq_length"]}
            measured = bench_memory.start(folder, d)
            point |= {k: measured[k] for k in ("trained_tokens", "steps", "peak_bytes", "seconds")}
            print(json.dumps({k: v for k, v in point.items() if k != "shape"}), file=sys.stderr)
            found.append(point)
    print(json.dumps(found, indent=1))


def make(path: Path, hidden: int, layers: int) -> None:
    """A model with random weights and SmolLM3's proportions."""
    import torch
    from transformers import PreTrainedTokenizerFast, SmolLM3Config, SmolLM3ForCausalLM

    from trainer import tiny

    template = (ROOT / "testdata/templates/smollm3.jinja").read_text("utf-8")
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    told = (ROOT.parent / "examples/support.jsonl").read_text("utf-8")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tiny._tokenizer(4096, special, [*tiny.text(), template, told]),
        **tiny.CAUSAL_TOKENS,
        chat_template=template,
    )
    config = SmolLM3Config(
        vocab_size=VOCAB,
        hidden_size=hidden,
        intermediate_size=hidden * 11008 // 2048,
        num_hidden_layers=layers,
        num_attention_heads=16,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    SmolLM3ForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)


def document(folder, model, method, batch, counts, config, lora) -> dict:
    place = Path(tempfile.mkdtemp(dir=folder))
    length = config.get("max_seq_length", 512)
    d = bench_memory.document(place, model, method, batch, length, lora)
    lines = (ROOT.parent / "examples/support.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    if method == "dpo":
        rows = [
            {
                "prompt": r["messages"][:1],
                "chosen": r["messages"][1:],
                "rejected": s["messages"][1:],
            }
            for r, s in zip(rows, [*rows[1:], rows[0]], strict=True)
        ]
    d["config"] |= config
    d["clock"] = "2026-11-29T12:00:00Z"
    d["train"] = file(place / "train.jsonl", rows[: counts[0]])
    if counts[1]:
        d["eval"] = file(place / "eval.jsonl", rows[counts[0] : sum(counts)])
    return d


def file(path: Path, rows: list[dict]) -> dict:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(text)
    return {"path": str(path), "sha256": hashlib.sha256(text).hexdigest(), "rows": len(rows)}


def data(d: dict, folder: Path) -> dict:
    """What a measuring job counts."""
    work = Path(tempfile.mkdtemp(dir=folder))
    events = bench_memory.events(work, {**d, "work_dir": str(work)})
    return next(e["data"] for e in events if e["event"] == "data")


def shape(model: Path) -> dict:
    """The model as estimate.ReadShape reads it."""
    from safetensors import safe_open

    c = json.loads((model / "config.json").read_text())
    groups: dict[tuple, int] = {}
    total = 0
    with safe_open(model / "model.safetensors", "pt") as f:
        for name in f.keys():
            size = f.get_slice(name).get_shape()
            n = 1
            for x in size:
                n *= x
            total += n
            if len(size) == 2 and "embed" not in name:
                parts = name.removesuffix(".weight").split(".")
                group = ".".join("*" if p.isdigit() else p for p in parts)
                key = (group, size[1], size[0])
                groups[key] = groups.get(key, 0) + 1
    return {
        "architecture": c["model_type"],
        "parameters": total,
        "weight_bytes": os.path.getsize(model / "model.safetensors"),
        "layers": c["num_hidden_layers"],
        "hidden": c["hidden_size"],
        "intermediate": c["intermediate_size"],
        "heads": c["num_attention_heads"],
        "kv_heads": c["num_key_value_heads"],
        "vocab": c["vocab_size"],
        "max_positions": c["max_position_embeddings"],
        "tied": c["tie_word_embeddings"],
        "linear": [
            {"name": n, "in": i, "out": o, "count": k} for (n, i, o), k in sorted(groups.items())
        ],
    }


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    main(sys.argv[1:])
