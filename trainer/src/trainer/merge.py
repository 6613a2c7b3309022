"""A late-interaction model with a published adapter merged in, to train it further.

    python -m trainer.merge BASE_FOLDER ADAPTER_FOLDER OUT

vidore/colSmol-500M, for example, is published as an adapter of a base. OUT is a model as
colvision.py loads it, with the processor of the adapter where it has one.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file

from . import colvision, model


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Write out; ValueError says what does not fit."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    found, names = config.get("model_type"), config.get("architectures") or []
    if found not in model.LATE or model.LATE[found] not in names:
        raise ValueError(f"{base} is not one of {', '.join(model.LATE.values())}")
    network, info = colvision.CLASSES[found].from_pretrained(
        base,
        dtype=torch.float32,  # sums of bfloat16 would lose what the adapter adds
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    network = get_peft_model(network, LoraConfig.from_pretrained(adapter))
    result = set_peft_model_state_dict(network, load_file(adapter / "adapter_model.safetensors"))
    wrong = [k for k in result.missing_keys if "lora_" in k] + list(result.unexpected_keys)
    if wrong or info["missing_keys"]:
        raise ValueError(f"{adapter} is not an adapter of {base}: {[*wrong, 'weights'][0]}")
    network.merge_and_unload(safe_merge=True).save_pretrained(out)
    for source in (base, adapter):  # the adapter's files replace those of the base
        for pattern in model.TOKENIZER:
            for path in source.glob(pattern):
                shutil.copyfile(path, out / path.name)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m trainer.merge", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for name in ("base", "adapter", "out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    try:
        merge(arguments.base, arguments.adapter, arguments.out)
    except (OSError, ValueError) as e:
        parser.exit(1, f"cannot merge: {e}\n")


if __name__ == "__main__":
    main()
