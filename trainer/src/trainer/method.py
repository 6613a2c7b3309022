"""What a method module (sft.py, dpo.py, kto.py, embedding.py, late.py) must provide.

Each has one class named Method with the members below, built and used by run.py in
this order:

    m = Method(job)                      # phase "load": tokenizer and model from job.model.path
    stats = m.prepare(train, held_out)   # phase "data": tokens; rows are checked canonical rows
    trainer = m.trainer(arguments)       # a transformers Trainer with durable.Durable mixed in
    m.evaluate()                         # phase "evaluate", any number of times
    m.answers(); m.matches()             # after the evaluation of the base and of the best
    trainer.train(…)                     # phase "train"; run.Session calls evaluate and save in it
    m.save(folder); m.load(folder); m.merge(folder)   # phase "save"; merge is the last call

Rules. Load nothing but job.model.path (model.checked says what is refused there). Write
nowhere but the folder given. Leave the model's mode and the random numbers of an
evaluation to the caller: it sets eval() and no_grad() and forks the generators, so an
evaluation never changes the training that goes on after it. Raise fault.Input for what a
person must change. A method's weights that change in training are the parameters with
requires_grad; durable.Durable saves and restores those, so build the same model from the
base each time and never from a checkpoint.
"""

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .job import Job

# A canonical row as PROTOCOL.md says, checked by data.py.
Row = dict[str, Any]


@dataclass
class Stats:
    """Counts of the tokenizer: training.DataStats without steps_per_epoch."""

    rows: int = 0
    eval_rows: int = 0
    tokens: int = 0  # of one epoch, after truncation
    p50: int = 0  # tokens per row, before truncation
    p90: int = 0
    p99: int = 0
    max: int = 0
    truncated: int = 0
    dropped: int = 0
    eval_dropped: int = 0
    sampled: int = 0  # rows that were tokenized, where not all were; 0 = all
    eval_tokens: int = 0  # of the held-out rows, after truncation


@dataclass(frozen=True)
class Finding:
    """A problem of a row that only tokens show. row counts from 0; None is the whole file."""

    row: int | None
    severity: str  # ERROR: the row cannot be trained on; WARNING
    code: str
    reason: str
    field: str = ""
    fix: str = ""


ERROR, WARNING = "error", "warn"


@dataclass
class Evaluation:
    """The held-out rows under the weights as they are.

    rows has one object a held-out row, in their order: {"row": 0, "loss": …}. A row that
    could not be scored has null there and does not count in metrics.
    """

    metrics: dict[str, float]
    rows: list[dict[str, Any]] = field(default_factory=list)


class Method(Protocol):
    """One way to train. model is what the trainer trains (a PeftModel with job.lora)."""

    model: Any

    def __init__(self, job: Job):
        """With job.measure no weights are loaded, and only findings and prepare are called."""

    def prepare(self, train: list[Row], held_out: list[Row]) -> Stats:
        """Tokenize; held_out is empty where the job has none."""

    def findings(self, rows: list[Row]) -> list[Finding]:
        """What is wrong with rows once they are formatted; called before prepare, if at all."""

    def trainer(self, arguments: dict[str, Any]) -> Any:
        """The trainer, with arguments that suit any transformers.TrainingArguments.

        They fix output_dir, batch, accumulation, epochs, optimizer, schedule, seed, device
        and number formats; add what is the method's own and change none of them.
        """

    def evaluate(self) -> Evaluation:
        """Score the held-out rows. Called with gradients off and the model in eval()."""

    def answers(self) -> list[dict[str, Any]]:
        """What the model answers to a few held-out rows (answers.py); none for a method whose
        models write no text. Called as evaluate is."""

    def matches(self) -> Evaluation:
        """Further values of the held-out rows, in their order, that tell what was learned from
        what every training learns (matched.py); none where the evaluation tells. Called as
        answers is, and after evaluate with the same weights."""

    def score(self, metrics: dict[str, float]) -> float:
        """The score for best and patience; greater is better."""

    def save(self, folder: Path) -> None:
        """Write what is published: PEFT layout with job.lora, else the whole model."""

    def load(self, folder: Path) -> None:
        """Load the weights of a folder that save wrote."""

    def merge(self, folder: Path) -> None:
        """Write the base with the adapter merged in. Only with job.lora; the model is spent."""


# Modules by job.method; each is imported only when needed.
_METHODS = {"sft": ".sft", "dpo": ".dpo", "kto": ".kto", "embedding": ".embedding"}


def load(job: Job) -> Method:
    """The method of a job."""
    late = job.method == "embedding" and job.config.loss == "late_interaction"
    return importlib.import_module(".late" if late else _METHODS[job.method], __package__).Method(
        job
    )
