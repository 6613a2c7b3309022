"""QLoRA: the base in 4 bits (load_in_4bit), by bitsandbytes.

The linear layers of the base, except the output layer, are held as NormalFloat4 with double
quantization, from the weights on the disk, so each attempt has the same ones. Everything else is in
the job's format, and so is the arithmetic. The adapter stays fp32, as beside a base in 16 bits:
TRL makes it bf16, in which small updates are lost.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from peft import PeftModel
from transformers import BitsAndBytesConfig

from . import durable
from .fault import Input
from .job import Job

_OFF = "or set load_in_4bit to false"


def check(job: Job) -> None:
    """Refuse a job whose base cannot be quantized here. No GPU is needed to find that out."""
    if not job.config.load_in_4bit:
        return
    bnb = _library()
    if job.device not in bnb.supported_torch_devices:
        raise Input(
            f"load_in_4bit: this bitsandbytes has no support for {job.device}; install the "
            f"packages of trainer/requirements.txt, {_OFF}"
        )
    version = torch.version.cuda
    if version is None or not (job.measure or job.device == "cuda"):
        return
    major = version.split(".")[0]
    folder = Path(bnb.__file__).parent
    if not any(folder.glob(f"*bitsandbytes_cuda{major}*")):
        raise Input(
            f"load_in_4bit: this bitsandbytes has no code for CUDA {version}, which this torch "
            f"uses; install the packages of trainer/requirements.txt, {_OFF}"
        )


def _library() -> ModuleType:
    try:
        import bitsandbytes
    except Exception as e:  # a broken library fails in many ways
        raise Input(
            f"load_in_4bit: bitsandbytes does not load ({type(e).__name__}: {e}); install the "
            f"packages of trainer/requirements.txt on Linux, {_OFF}"
        ) from e
    return bitsandbytes


def loading(job: Job, dtype: torch.dtype) -> dict[str, Any]:
    """What from_pretrained is given for it."""
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        ),
        "device_map": {"": 0 if job.device == "cuda" else "cpu"},
    }


def loaded(model: Any) -> None:
    """Keep the weights as they were loaded.

    On a CPU with bfloat16 instructions an evaluation would bring them into another layout, for
    which there are no gradients, and compute in bfloat16.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def restore_adapter(job: Job, model: Any) -> None:
    """Make the adapter fp32 again, before the first step."""
    if not job.config.load_in_4bit:
        return
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def merged(trained: Any, base: Any) -> Any:
    """The base in its own weights, freshly loaded, with the adapter merged in. Merging into the
    quantized weights would round the adapter to 4 bits."""
    adapted = PeftModel(base, trained.peft_config["default"])
    durable.put(adapted, durable.trained(trained))
    return adapted.merge_and_unload(safe_merge=True)
