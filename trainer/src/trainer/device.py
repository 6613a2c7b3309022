"""The device of a run, configured for reproducible results."""

import importlib.metadata
import importlib.util
import os
import resource

import torch

from .fault import Fault

_PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "sentence-transformers",
    "datasets",
    "safetensors",
    "tokenizers",
)
_OPTIONAL = ("bitsandbytes",)  # for load_in_4bit; it does not exist for every machine


def use(name: str) -> None:
    """Set up "cpu" or "cuda".

    On the CPU the same build, instruction set and thread count give the same bits, so
    there is one thread. On a GPU operations that have no exact form are allowed: there
    two runs agree within rounding.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=name == "cuda")
    # Memory that was never written is never read; filling it would only cost time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    if name == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count != 1:
            raise Fault(
                f"device cuda: torch sees {count} GPUs, must see one; set CUDA_VISIBLE_DEVICES"
            )


def describe(name: str) -> dict[str, object]:
    """The fields of the device event."""
    versions = {p: importlib.metadata.version(p) for p in _PACKAGES}
    for p in _OPTIONAL:
        if (
            importlib.util.find_spec(p) is not None
        ):  # it may be hidden from a job without need of it
            versions[p] = importlib.metadata.version(p)
    if name == "cuda":
        properties = torch.cuda.get_device_properties(0)
        versions["cuda"] = str(torch.version.cuda)
        title, memory = properties.name, properties.total_memory
    else:
        title = "cpu"
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"device": title, "memory_bytes": memory, "versions": versions}


def peak(name: str) -> int:
    """Most memory so far in bytes: reserved on the GPU, or resident."""
    if name == "cuda":
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
