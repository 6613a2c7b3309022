"""Makes a transformers Trainer stop and resume with identical results.

    class Trainer(Durable, SFTTrainer): ...

Durable counts loss and tokens of a step itself, because the library's own totals start
again after a resume, and it saves and restores everything that the next step depends on
in safetensors and JSON. The library's torch.save files are pickle and are never read.
Where in the data to go on follows from trainer_state.json: the sampler is seeded by
the job's seed and the epoch, and the batches that were done are skipped.
"""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "weights.safetensors"  # parameters that are trained
OPTIMIZER = "optimizer.safetensors"
RANDOM = "random.safetensors"
RESUME = "resume.json"  # the parts of the state that are not tensors
TRAINER = "trainer_state.json"  # the library's own file and name


class Durable:
    """Mixed into a Trainer, before it in the list of bases."""

    # Receives the steps; run.py sets it before train().
    session: Any = None
    # Of the optimizer step in progress, on the device.
    _loss: Any = 0.0
    _tokens: Any = 0
    _grad_norm: Any = None

    def count_tokens(self, inputs: dict[str, Any]) -> Any:
        """Tokens of a micro-batch without padding."""
        masks = [v for k, v in inputs.items() if k.endswith("attention_mask")]
        if masks:
            return sum(m.sum() for m in masks)
        return sum(v.numel() for k, v in inputs.items() if k.endswith("input_ids"))

    def training_step(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        tokens = self.count_tokens(inputs)
        loss = super().training_step(model, inputs, *rest, **named)
        self._loss = self._loss + loss
        self._tokens = self._tokens + tokens
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        self._grad_norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        return self._grad_norm

    def loss_so_far(self) -> float:
        """Loss of the step in progress."""
        return float(self._loss)

    def take_step(self) -> tuple[float, int, float | None, dict[str, float]]:
        """Loss, tokens, gradient norm and the library's metrics of the step; resets them."""
        loss, tokens = float(self._loss), int(self._tokens)
        norm = None if self._grad_norm is None else float(self._grad_norm)
        self._loss, self._tokens, self._grad_norm = 0.0, 0, None
        lists = getattr(self, "_metrics", {}).get("train", {})
        metrics = {k: sum(v) / len(v) for k, v in lists.items() if v and k != "num_tokens"}
        lists.clear()
        return loss, tokens, norm, metrics

    def log(self, *_: Any, **__: Any) -> None:
        """Nothing: run.Session reports every step."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Nothing: the caller writes the card, it knows where the data came from."""

    # Writing.

    def save_state(self, folder: Path) -> None:
        """Write what the next step depends on."""
        save_file(trained(self.model), folder / WEIGHTS)
        tensors, rest = flatten(self.optimizer.state_dict())
        save_file(tensors, folder / OPTIMIZER)
        generators, states = random_state()
        save_file(generators, folder / RANDOM)
        scaler = getattr(self.accelerator, "scaler", None)
        document = {
            "optimizer": rest,
            "scheduler": plain(self.lr_scheduler.state_dict()),
            "scaler": None if scaler is None else plain(scaler.state_dict()),
            "random": states,
        }
        (folder / RESUME).write_text(json.dumps(document))
        self.state.save_to_json(str(folder / TRAINER))

    # Reading; the library calls these with the folder given to train().

    def _load_from_checkpoint(self, folder: str, model: Any = None) -> None:
        put(self.model, load_file(Path(folder) / WEIGHTS))

    def _load_optimizer_and_scheduler(self, folder: str | None) -> None:
        if folder is None:
            return
        document = _document(folder)
        tensors = load_file(Path(folder) / OPTIMIZER)
        self.optimizer.load_state_dict(unflatten(tensors, document["optimizer"]))
        self.lr_scheduler.load_state_dict(document["scheduler"])

    def _load_scaler(self, folder: str | None) -> None:
        scaler = getattr(self.accelerator, "scaler", None)
        if folder is not None and scaler is not None:
            scaler.load_state_dict(_document(folder)["scaler"])

    def _load_rng_state(self, folder: str | None) -> None:
        if folder is not None:
            set_random_state(load_file(Path(folder) / RANDOM), _document(folder)["random"])


def _document(folder: str) -> dict[str, Any]:
    return json.loads((Path(folder) / RESUME).read_text())


def trained(model: Any) -> dict[str, torch.Tensor]:
    """The parameters that are trained, by name, on the CPU."""
    named = model.named_parameters()
    return {n: p.detach().cpu().contiguous() for n, p in named if p.requires_grad}


@torch.no_grad()
def put(model: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Set the parameters that are trained; all must be present, with shape and type."""
    own = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if missing := sorted(set(own) ^ set(tensors)):
        raise ValueError(f"weights of another model: {missing[0]} is on one side only")
    for name, p in own.items():
        t = tensors[name]
        if t.shape != p.shape or t.dtype != p.dtype:
            raise ValueError(f"weights of another model: {name} is {t.dtype} {tuple(t.shape)}")
        p.copy_(t)


def flatten(state: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """An optimizer's state as tensors named "<parameter>.<key>" and a JSON object."""
    tensors, scalars = {}, {}
    for index, entry in state["state"].items():
        for key, value in entry.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{key}"] = value.detach().cpu().contiguous()
            else:
                scalars[f"{index}.{key}"] = value
    return tensors, {"groups": plain(state["param_groups"]), "scalars": scalars}


def unflatten(tensors: dict[str, torch.Tensor], rest: dict[str, Any]) -> dict[str, Any]:
    """The state that flatten split."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **rest["scalars"]}.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    return {"state": state, "param_groups": rest["groups"]}


def plain(value: Any) -> Any:
    """The JSON form of what schedulers and parameter groups keep. Python's JSON gives
    every float back exactly."""
    if isinstance(value, torch.Tensor):
        return value.item()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot keep {type(value).__name__} in a checkpoint")


def random_state() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The state of all generators: Python, numpy, torch and the GPU."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    version, internal, gauss_next = random.getstate()
    tensors = {
        "torch": torch.random.get_rng_state(),
        "numpy": torch.from_numpy(keys.astype(np.int64)),
        "python": torch.tensor(internal, dtype=torch.int64),
    }
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    return tensors, {"numpy": [kind, position, has_gauss, gauss], "python": [version, gauss_next]}


def set_random_state(tensors: dict[str, torch.Tensor], rest: dict[str, Any]) -> None:
    """Put all generators back."""
    kind, position, has_gauss, gauss = rest["numpy"]
    version, gauss_next = rest["python"]
    keys = tensors["numpy"].numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, gauss))
    random.setstate((version, tuple(tensors["python"].tolist()), gauss_next))
    torch.random.set_rng_state(tensors["torch"])
    if torch.cuda.is_available() and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"])
