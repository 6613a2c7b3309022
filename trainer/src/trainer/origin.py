"""Continue from a published adapter (job.start) instead of a fresh one.

The model is built from the base as ever, with an adapter of the same shape, whose weights are
then set. So what is published stays an adapter over the bare base. What the job compares with,
its "base", is the base model with this adapter: what it started from.
"""

import copy
import hashlib
from pathlib import Path
from typing import Any

from peft import set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load

from .fault import Input
from .job import Job

REFERENCE = "ref"  # the name under which TRL looks for the reference


def restore(job: Job, m: Any) -> None:
    """Set the weights of the adapter, before the first step and before those of a checkpoint."""
    if job.start is None:
        return
    path = Path(job.start.path)
    try:
        data = path.read_bytes()
    except OSError as e:
        raise Input(f"start: cannot read {path}: {e}") from e
    found = hashlib.sha256(data).hexdigest()
    if found != job.start.sha256:
        raise Input(f"start: {path} has SHA-256 {found}, but the job expects {job.start.sha256}")
    try:
        result = set_peft_model_state_dict(m, load(data))
    except (SafetensorError, RuntimeError) as e:
        raise Input(f"start: the adapter does not fit job.lora or the base model: {e}") from e
    lacking = [k for k in result.missing_keys if "lora_" in k]
    if other := sorted([*result.unexpected_keys, *lacking]):
        raise Input(
            "start: the adapter does not fit job.lora or the base model: "
            f"{other[0]} is on one side only"
        )


def reference(job: Job, m: Any) -> None:
    """Keep a frozen copy of the adapter as the reference of DPO and KTO.

    Without it TRL takes the base with the adapter off, from which a continued adapter is far
    away at its first step. A resumed attempt makes the same copy, from job.start.
    """
    if job.start is None:
        return
    m.add_adapter(REFERENCE, copy.deepcopy(m.peft_config["default"]))
    for name, parameter in list(m.named_parameters()):
        if ".default." in name:
            twin = m.get_parameter(name.replace(".default.", f".{REFERENCE}."))
            twin.data = parameter.detach().clone()
            twin.requires_grad_(False)
