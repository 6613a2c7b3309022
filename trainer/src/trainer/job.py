"""The job document: parsed strictly, before torch is imported."""

import json
import math
import os
import re
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from .fault import Input

VERSION = 1


@dataclass(frozen=True)
class Model:
    """The base model. path is a folder with config.json, tokenizer and safetensors."""

    name: str
    revision: str
    path: str
    repo: str = ""

    @property
    def id(self) -> str:
        """What an adapter names as its base."""
        return self.repo or self.name


@dataclass(frozen=True)
class File:
    """Canonical rows, one JSON object per line."""

    path: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Config:
    """training.Config: every setting of a method."""

    epochs: float
    batch_size: int
    gradient_accumulation_steps: int
    learning_rate: float
    lr_scheduler: str
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    max_seq_length: int
    eval_steps: int
    save_steps: int
    early_stopping_patience: int
    packing: bool
    assistant_only_loss: bool
    merge: bool
    beta: float = 0.1
    max_prompt_length: int = 0
    loss: str = "triplet"
    distance_metric: str = "cosine"
    triplet_margin: float = 0.5
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    chat_template_kwargs: dict[str, Any] | None = None
    load_in_4bit: bool = False


@dataclass(frozen=True)
class LoRA:
    """The shape of an adapter."""

    r: int
    alpha: int
    dropout: float
    target_modules: list[str]


@dataclass(frozen=True)
class Start:
    """Weights of the adapter that the job continues: a safetensors file."""

    path: str
    sha256: str


@dataclass(frozen=True)
class MayDrop:
    """How many rows the cut may leave out. Without eval, held-out rows count with train's."""

    train: int
    eval: int | None = None


@dataclass(frozen=True)
class Job:
    """One attempt of one job."""

    version: int
    job: str
    method: str
    model: Model
    train: File
    work_dir: str
    seed: int
    numerics: str
    device: str
    micro_batch: int
    accumulation: int
    config: Config
    checkpoint_seconds: float
    eval: File | None = None
    resume: str = ""
    lora: LoRA | None = None
    finish: bool = False
    measure: bool = False  # only count the tokens of the rows
    clock: str = ""  # RFC 3339: the time that chat templates read; empty = this machine's
    may_drop: MayDrop | None = None
    images: str = ""  # folder of the rows' images; each file is named by the SHA-256 of its bytes
    start: Start | None = None  # the adapter to continue; absent = a fresh one


def read(path: str) -> Job:
    """The job of a file, or fault.Input that names the key."""
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except (OSError, UnicodeDecodeError) as e:
        raise Input(f"cannot read the job {path}: {e}") from e
    return parse(text)


def parse(text: str) -> Job:
    """The job of a text."""
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_finite)
    except json.JSONDecodeError as e:
        raise Input(f"the job is not JSON: {e}") from e
    if isinstance(document, dict) and document.get("version") != VERSION:
        raise Input(f"job: version is {document.get('version')!r}, this trainer reads {VERSION}")
    job = _build(Job, document, "job")
    _check(job)
    return job


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    d: dict[str, Any] = {}
    for k, v in pairs:
        if k in d:
            raise Input(f"the job lists the key {k!r} twice")
        d[k] = v
    return d


def _finite(name: str) -> float:
    raise Input(f"the job has {name}, which is not a JSON number")


def _build(kind: type, value: Any, where: str) -> Any:
    """An instance of a dataclass from an object that has its keys and no others."""
    if not isinstance(value, dict):
        raise Input(f"{where}: must be an object, got {value!r}")
    known = {f.name: f for f in fields(kind)}
    if unknown := sorted(set(value) - set(known)):
        raise Input(f"{where}: unknown key {unknown[0]!r}; supported: {', '.join(known)}")
    given = {}
    for name, f in known.items():
        if name in value:
            given[name] = _convert(f.type, value[name], f"{where}.{name}")
        elif f.default is MISSING:
            raise Input(f"{where}: {name} is missing")
    return kind(**given)


def _convert(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, UnionType):  # X | None
        if value is None:
            return None
        (kind,) = [k for k in get_args(kind) if k is not NoneType]
    if get_origin(kind) is list:
        if not isinstance(value, list):
            raise Input(f"{where}: must be a list, got {value!r}")
        (item,) = get_args(kind)
        return [_convert(item, v, f"{where}[{i}]") for i, v in enumerate(value)]
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise Input(f"{where}: must be an object, got {value!r}")
        return value
    if kind not in (str, int, float, bool):
        return _build(kind, value, where)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is float and (whole or isinstance(value, float)):
        if not math.isfinite(value):
            raise Input(f"{where}: {value!r} is not finite")
        return float(value)
    if (kind is int and whole) or (kind is not int and isinstance(value, kind)):
        return value
    raise Input(f"{where}: must be {_NAMES[kind]}, got {value!r}")


_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
_HEX = re.compile(r"[0-9a-f]{64}")


def _check(j: Job) -> None:
    """Refuse invalid values."""
    c = j.config
    _one_of("job.method", j.method, "sft", "dpo", "kto", "embedding")
    _one_of("job.numerics", j.numerics, "fp32", "fp16", "bf16")
    _one_of("job.device", j.device, "cpu", "cuda")
    _one_of("job.config.lr_scheduler", c.lr_scheduler, "linear", "cosine", "constant")
    losses = ("triplet", "mnr", "late_interaction")
    if j.method == "kto":
        losses = ("kto", "apo_zero_unpaired")
    _one_of("job.config.loss", c.loss, *losses)
    _one_of("job.config.distance_metric", c.distance_metric, "cosine", "euclidean", "manhattan")
    if j.numerics == "fp16" and j.device == "cpu":
        raise Input("job.numerics: fp16 requires a GPU; use fp32 or bf16 on the CPU")
    if j.clock and _time(j.clock) is None:
        raise Input(f"job.clock: {j.clock!r} must be a time as in RFC 3339, with its zone")
    if c.load_in_4bit and (j.lora is None or j.method == "embedding") and not j.measure:
        raise Input("job.config.load_in_4bit: requires lora, and the method sft, dpo or kto")
    if not j.job:
        raise Input("job.job is empty")
    for name in ("work_dir", "resume", "images"):
        path = getattr(j, name)
        if path and not os.path.isabs(path):
            raise Input(f"job.{name}: {path!r} is not absolute")
    if not j.work_dir:
        raise Input("job.work_dir is empty")
    if j.finish and not j.resume:
        raise Input("job.finish: requires resume, because there is nothing to finish without it")
    if j.measure and (j.resume or j.finish):
        raise Input("job.measure: excludes resume and finish, because nothing is trained")
    for where, f in (("job.train", j.train), ("job.eval", j.eval), ("job.start", j.start)):
        if f is not None and not _HEX.fullmatch(f.sha256):
            raise Input(f"{where}.sha256: {f.sha256!r} must be a SHA-256 in lower-case hexadecimal")
    _within("job.seed", j.seed, 0, 2**32 - 1)
    _within("job.micro_batch", j.micro_batch, 1, 2**16)
    _within("job.accumulation", j.accumulation, 1, 2**16)
    _within("job.checkpoint_seconds", j.checkpoint_seconds, 0, 1e9)
    _within("job.config.learning_rate", c.learning_rate, 0, 1e3)
    _within("job.config.max_seq_length", c.max_seq_length, 2, 2**20)
    _within("job.config.beta", c.beta, 0, 1e3)
    for name in ("warmup_steps", "eval_steps", "save_steps", "early_stopping_patience"):
        _within(f"job.config.{name}", getattr(c, name), 0, 2**31)
    for name in ("weight_decay", "max_grad_norm", "max_prompt_length", "triplet_margin"):
        _within(f"job.config.{name}", getattr(c, name), 0, 1e6)
    for name in ("desirable_weight", "undesirable_weight"):
        _within(f"job.config.{name}", getattr(c, name), 1e-6, 1e6)
    if not 0 < c.epochs <= 1e4:
        raise Input(f"job.config.epochs: {c.epochs} is not above 0 and at most 10000")
    if j.may_drop is not None:
        _within("job.may_drop.train", j.may_drop.train, 0, 2**31)
        _within("job.may_drop.eval", j.may_drop.eval or 0, 0, 2**31)
    if j.start is not None:
        if j.lora is None:
            raise Input("job.start: requires lora, the shape of the adapter that is continued")
        if not os.path.isabs(j.start.path):
            raise Input(f"job.start.path: {j.start.path!r} is not absolute")
    if j.lora is not None:
        _within("job.lora.r", j.lora.r, 1, 4096)
        _within("job.lora.alpha", j.lora.alpha, 1, 2**16)
        if not 0 <= j.lora.dropout < 1:
            raise Input(f"job.lora.dropout: {j.lora.dropout} is not in [0, 1)")
        if not j.lora.target_modules:
            raise Input('job.lora.target_modules is empty; ["all-linear"] is every linear layer')


def _time(text: str) -> datetime | None:
    try:
        t = datetime.fromisoformat(text)
    except ValueError:
        return None
    return t if t.tzinfo else None


def _one_of(where: str, value: str, *allowed: str) -> None:
    if value not in allowed:
        raise Input(f"{where}: {value!r} must be one of {', '.join(allowed)}")


def _within(where: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise Input(f"{where}: {value} is not in [{low:g}, {high:g}]")
