"""One attempt from step to step: events, evaluations, the best so far, checkpoints."""

import dataclasses
import json
import math
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from . import checkpoint, device, durable
from .events import Events, finite
from .fault import Diverged, Input, Stopped
from .job import Job
from .method import Method
from .stop import Stop

STATE = "state.json"
# What a checkpoint must hold to resume from it.
NEEDED = [STATE, durable.WEIGHTS, durable.OPTIMIZER, durable.RANDOM, durable.RESUME]
NEEDED += [durable.TRAINER]


@dataclass
class State:
    """State that attempts of a job pass on, besides weights and generators."""

    step: int = 0
    tokens: int = 0
    loss_sum: float = 0.0  # of all steps
    rows_per_step: int = 0
    finished: bool = False  # the last step is done, or patience ran out
    evaluated: int = 0  # step of the last evaluation during training
    best_step: int = 0  # 0 = none was evaluated yet
    best_score: float = -math.inf
    waited: int = 0  # evaluations since the best
    base: dict[str, float] | None = None  # metrics before the first step


@dataclass(eq=False)
class Session(TrainerCallback):
    """Follows the training as its callback. total is the number of steps of the job."""

    job: Job
    events: Events
    stop: Stop
    method: Method
    trainer: Any
    total: int
    steps_per_epoch: int
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        self.work_dir = Path(self.job.work_dir)
        self.state.rows_per_step = self.job.micro_batch * self.job.accumulation
        self._rate = 0.0  # learning rate of the step in progress
        self._saved = self._since = time.monotonic()
        self.trainer.session = self
        self.trainer.add_callback(self)

    # The library calls these.

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._saved = self._since = time.monotonic()

    def on_pre_optimizer_step(self, *_: Any, optimizer: Any = None, **__: Any) -> None:
        self._rate = optimizer.param_groups[0]["lr"]
        loss = self.trainer.loss_so_far()
        if not math.isfinite(loss):
            step = self.state.step + 1
            self._report(step, loss, 0.0, {})
            raise Diverged(f"the loss of step {step} is {loss}: lower the learning rate")

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> Any:
        loss, tokens, norm, metrics = self.trainer.take_step()
        s = self.state
        s.step, s.tokens, s.loss_sum = state.global_step, s.tokens + tokens, s.loss_sum + loss
        now = time.monotonic()
        if norm is not None:
            metrics["grad_norm"] = norm
        self._report(s.step, loss, tokens / max(now - self._since, 1e-9), metrics)
        # With fp16 a gradient that overflows is skipped and the scale lowered.
        if norm is not None and not math.isfinite(norm) and self.job.numerics != "fp16":
            raise Diverged(f"the gradient of step {s.step} is {norm}: lower the learning rate")
        try:
            self.evaluate_if_due()
        finally:
            if s.finished:
                control.should_training_stop = True
            if s.finished or self.stop.requested or self._save_due():
                self.save()
        if self.stop.requested and not s.finished:
            raise Stopped
        self._since = time.monotonic()
        return control

    # Evaluations.

    def evaluate_if_due(self) -> None:
        """Score the held-out rows if this step requires it, and decide whether it was the last.

        A stop in the middle leaves the evaluation to the next attempt.
        """
        s = self.state
        if self._evaluation_due():
            with self.stop.at_once():
                metrics = self.evaluate("current", f"{s.step:08d}")
            score = self.method.score(metrics)
            s.evaluated = s.step
            if s.best_step == 0 or score > s.best_score:
                s.best_step, s.best_score, s.waited = s.step, score, 0
                self._keep_best()
            else:
                s.waited += 1
        patience = self.job.config.early_stopping_patience
        s.finished = s.step >= self.total or (0 < patience <= s.waited)

    def _evaluation_due(self) -> bool:
        s, every = self.state, self.job.config.eval_steps
        if self.job.eval is None or s.evaluated == s.step:
            return False
        at_epoch = s.step % self.steps_per_epoch == 0 or s.step >= self.total
        return at_epoch or (every > 0 and s.step % every == 0)

    def evaluate(self, of: str, name: str) -> dict[str, float]:
        """Score the held-out rows, write them to evals/<name>.jsonl and report."""
        model, devices = self.method.model, [0] if self.job.device == "cuda" else []
        was = model.training
        model.eval()
        shown: list[dict[str, Any]] = []
        with torch.no_grad(), torch.random.fork_rng(devices):
            result = self.method.evaluate()
            if of in ("base", "best"):
                shown = self.method.answers()
                more = self.method.matches()
                result.metrics.update(more.metrics)
                for row, values in zip(result.rows, more.rows, strict=bool(more.rows)):
                    row.update(values)
        model.train(was)
        if not result.metrics:
            raise Input("eval: no held-out row can be scored within max_seq_length")
        if shown:
            self._write_rows(f"{name}-answers", shown)
        self._write_rows(name, result.rows)
        self.report_evaluation(of, name, result.metrics)
        return result.metrics

    def _write_rows(self, name: str, rows: list[dict[str, Any]]) -> None:
        folder = self.work_dir / "evals"
        folder.mkdir(exist_ok=True)
        draft = folder / f".{name}.jsonl"
        draft.write_text("".join(json.dumps(finite(row), allow_nan=False) + "\n" for row in rows))
        draft.rename(folder / f"{name}.jsonl")

    def report_evaluation(self, of: str, name: str, metrics: dict[str, float]) -> None:
        """The event of an evaluation."""
        step = {"base": 0, "best": self.best_step}.get(of, self.state.step)
        rows = f"evals/{name}.jsonl"
        self.events.write("eval", of=of, step=step, metrics=metrics, rows=rows)

    @property
    def best_step(self) -> int:
        """Step of the best weights; without evaluations the last are the best."""
        return self.state.best_step or self.state.step

    def _keep_best(self) -> None:
        draft, final = self.work_dir / ".best", self.work_dir / "best"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        self.method.save(draft)
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)

    # Checkpoints.

    def _save_due(self) -> bool:
        every = self.job.config.save_steps
        if every > 0 and self.state.step % every == 0:
            return True
        return time.monotonic() - self._saved >= self.job.checkpoint_seconds

    def save(self) -> None:
        """Write a checkpoint of this step and report it."""
        s = self.state
        head = checkpoint.Head(self.job.job, s.step, self.best_step, s.tokens)
        path = checkpoint.write(self.work_dir, head, self._fill)
        self._saved = time.monotonic()
        self.events.write("checkpoint", step=s.step, path=path, best_step=self.best_step)

    def _fill(self, folder: Path) -> None:
        self.trainer.save_state(folder)
        (folder / STATE).write_text(json.dumps(finite(dataclasses.asdict(self.state))))
        if self.state.best_step:
            checkpoint.link(self.work_dir / "best", folder / "best")
        else:
            (folder / "best").mkdir()
            self.method.save(folder / "best")
        if (self.work_dir / "evals").is_dir():
            checkpoint.link(self.work_dir / "evals", folder / "evals")

    # Events.

    def _report(self, step: int, loss: float, speed: float, metrics: dict[str, float]) -> None:
        self.events.write(
            "step",
            step=step,
            total=self.total,
            epoch=step / self.steps_per_epoch,
            loss=loss,
            learning_rate=self._rate,
            tokens=self.state.tokens,
            tokens_per_second=speed,
            memory_bytes=device.peak(self.job.device),
            metrics=metrics,
        )


def restore(folder: Path, job: Job) -> State:
    """The state of a checkpoint that checkpoint.verify found complete."""
    try:
        document = json.loads((folder / STATE).read_text())
        if document["best_score"] is None:
            document["best_score"] = -math.inf
        state = State(**document)
    except (ValueError, TypeError, KeyError) as e:
        raise Input(f"resume: {folder / STATE} is broken: {e}") from e
    rows = job.micro_batch * job.accumulation
    if state.rows_per_step != rows:
        raise Input(
            f"resume: {folder} was trained with {state.rows_per_step} rows a step, "
            f"micro_batch * accumulation is {rows}"
        )
    return state
