"""LoRA adapters, merged into their base."""

from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file

from .encoder import Refused


def merge(network, path):
    """The network with an adapter merged in, and the weights that the adapter brings whole. All
    its weights must match, and none may be missing."""
    file = path / "adapter_model.safetensors"
    if not file.is_file():
        raise Refused(f"{path.name} lacks adapter_model.safetensors")
    network = get_peft_model(network, LoraConfig.from_pretrained(path))
    result = set_peft_model_state_dict(network, load_file(file))
    absent = [k for k in result.missing_keys if "lora_" in k]
    if absent or result.unexpected_keys:
        raise Refused(f"the adapter does not fit: {(absent + list(result.unexpected_keys))[:5]}")
    with safe_open(file, "pt") as tensors:
        names = tensors.keys()
    found = {k.removeprefix("base_model.model.") for k in names if "lora_" not in k}
    return network.merge_and_unload(), found
