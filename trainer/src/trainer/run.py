"""One attempt: from the job to what is published."""

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import set_seed

from . import checkpoint, data, device, durable, measure, session
from .events import Events
from .job import Job
from .method import load
from .stop import Stop

# Names of schedules in transformers; each begins with a warm-up.
_SCHEDULERS = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def run(job: Job, events: Events, stop: Stop) -> None:
    """Train, or finish, a job. Raises what fault.py declares."""
    with stop.at_once():
        device.use(job.device)
        events.write("device", **device.describe(job.device))
        if job.measure:
            measure.run(job, events)
            return
        resumed = _verify(job)
        s = _prepare(job, events, stop)
        _restore(s, resumed)
    if not s.state.finished and not job.finish:
        s.evaluate_if_due()  # the evaluation that a stop interrupted
    if not s.state.finished and not job.finish:
        events.phase("train")
        s.trainer.train(resume_from_checkpoint=job.resume or None)
    with stop.at_once():
        _publish(s)


def _verify(job: Job) -> session.State | None:
    if not job.resume:
        return None
    folder = Path(job.resume)
    checkpoint.verify(folder, job.job, session.NEEDED)
    return session.restore(folder, job)


def _prepare(job: Job, events: Events, stop: Stop) -> session.Session:
    """Load the model and the data; the session that follows the training."""
    work_dir = Path(job.work_dir)
    for name in ("best", "evals", "output"):  # of an earlier attempt in the same place
        shutil.rmtree(work_dir / name, ignore_errors=True)
    for draft in work_dir.glob("checkpoints/.*"):  # of one that was killed
        shutil.rmtree(draft, ignore_errors=True)
    events.phase("load")
    set_seed(job.seed)  # an adapter begins with random numbers
    train, held_out = data.read(job)
    method = load(job)
    events.phase("data")
    stats = method.prepare(train, held_out)
    trainer = method.trainer(arguments(job))
    batches = len(trainer.get_train_dataloader())
    per_epoch = math.ceil(batches / trainer.args.gradient_accumulation_steps)
    total = math.ceil(job.config.epochs * per_epoch)
    # Known only now; a warm-up that a small job never leaves would train nothing.
    trainer.args.warmup_steps = min(job.config.warmup_steps, total // 10)
    events.write("data", data={**dataclasses.asdict(stats), "steps_per_epoch": per_epoch})
    return session.Session(job, events, stop, method, trainer, total, per_epoch)


def _restore(s: session.Session, resumed: session.State | None) -> None:
    """Score the base where that was not done, then take over what was."""
    if resumed is not None:
        s.state = resumed
        folder = Path(s.job.resume)
        checkpoint.link(folder / "evals", s.work_dir / "evals")
        if resumed.best_step:
            checkpoint.link(folder / "best", s.work_dir / "best")
    if s.job.eval is not None:
        if s.state.base is None:
            s.events.phase("evaluate")
            s.state.base = s.evaluate("base", "base")
        else:
            s.report_evaluation("base", "base", s.state.base)
    if resumed is not None:
        durable.put(s.method.model, load_file(Path(s.job.resume) / durable.WEIGHTS))


def _publish(s: session.Session) -> None:
    """Write output/, score the published weights, and report it."""
    job, output = s.job, s.work_dir / "output"
    s.events.phase("save")
    shutil.rmtree(output, ignore_errors=True)
    for name in ("best", "last"):
        (output / name).mkdir(parents=True)
    s.method.save(output / "last")
    if s.state.best_step not in (0, s.state.step):
        checkpoint.link(s.work_dir / "best", output / "best")
        s.method.load(output / "best")
    else:
        checkpoint.link(output / "last", output / "best")
    metrics: dict[str, float] = {}
    if job.eval is not None:
        s.events.phase("evaluate")
        metrics = s.evaluate("best", "best")
    if job.config.merge and job.lora is not None:
        s.events.phase("save")
        (output / "merged").mkdir()
        s.method.merge(output / "merged")
    if s.state.step:
        metrics["train_loss"] = s.state.loss_sum / s.state.step
    s.events.write("done", step=s.state.step, best_step=s.best_step, path="output", metrics=metrics)


def arguments(job: Job) -> dict[str, Any]:
    """TrainingArguments that hold for every method."""
    c, gpu = job.config, job.device == "cuda"
    return {
        "output_dir": str(Path(job.work_dir) / "tmp"),
        "per_device_train_batch_size": job.micro_batch,
        "per_device_eval_batch_size": job.micro_batch,
        "gradient_accumulation_steps": job.accumulation,
        "num_train_epochs": c.epochs,
        "learning_rate": c.learning_rate,
        "lr_scheduler_type": _SCHEDULERS[c.lr_scheduler],
        "weight_decay": c.weight_decay,
        "max_grad_norm": c.max_grad_norm,
        "optim": "adamw_torch_fused" if gpu else "adamw_torch",
        "seed": job.seed,
        "data_seed": job.seed,
        "use_cpu": not gpu,
        "bf16": job.numerics == "bf16",
        "fp16": job.numerics == "fp16",
        # Memory is what limits a GPU; on the CPU it would only cost a third of the speed.
        "gradient_checkpointing": gpu,
        # The library's own saving, logging and evaluation: session.Session does them.
        "save_strategy": "no",
        "eval_strategy": "no",
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
    }
