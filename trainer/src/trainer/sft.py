"""Supervised fine-tuning on answers, conversations or texts, by TRL."""

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer
from trl.data_utils import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from . import answers, apart, findings, fits, matched, model, origin, quantized, vision
from .durable import Durable
from .fault import Input
from .job import Job
from .method import Evaluation, Finding, Row, Stats
from .tokens import Encoder, check_dropped, each, tally, variables


class Trainer(Durable, SFTTrainer):
    """TRL's trainer that stops and resumes with identical results."""

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if "pictures" not in self._signature_columns:
            self._signature_columns.append("pictures")


class Method:
    """See method.py."""

    def __init__(self, job: Job):
        self._job = job
        self._tokenizer = model.tokenizer(job)
        quantized.check(job)
        self._vision = vision.of(job, self._tokenizer)
        if self._vision is None:
            self.model = model.causal(job)
            self._apart = fits.keeps_apart(job, self.model)
        else:
            self.model, self._apart = model.image_text(job), False
        fits.targets(job, self.model)

    def _encoder(self) -> Encoder:
        c = self._job.config
        only, given = c.assistant_only_loss, variables(self._job)
        build = Encoder if self._vision is None else self._vision.encoder
        return build(self._tokenizer, self._job.model.name, c.max_seq_length, only, given)

    def findings(self, rows: list[Row]) -> list[Finding]:
        kind, c = self._job.method, self._job.config
        return findings.check(kind, self._encoder(), self._tokenizer, c, rows)

    def prepare(self, train: list[Row], held_out: list[Row]) -> Stats:
        c, encoder = self._job.config, self._encoder()
        encoded = each("train", train, encoder.sft)
        kept = [row for row, _ in encoded if row is not None]
        lengths = [length for _, length in encoded]
        if not kept:
            raise Input(
                f"no row has anything to learn within max_seq_length {c.max_seq_length}: "
                "prompts fill it"
            )
        self._train = Dataset.from_list(kept)
        if c.packing:
            options = {"keep_in_memory": True}
            self._train = pack_dataset(self._train, c.max_seq_length, "bfd", options)
        self._held_out = [row for row, _ in each("eval", held_out, encoder.sft)]
        tokens = (row["input_ids"] for row in (*kept, *self._held_out) if row is not None)
        fits.vocabulary(self._job, self.model, self._tokenizer, tokens)
        check_dropped(
            self._job,
            [(row, ids) for row, (ids, _) in zip(train, encoded, strict=True)],
            list(zip(held_out, self._held_out, strict=True)),
        )
        self._questions = questions(encoder, held_out)
        self._answers = [encoder.answer(row) for row in held_out]
        held = [row["input_ids"] for row in self._held_out if row is not None]
        return tally(
            lengths,
            sum(len(row["input_ids"]) for row in kept),
            sum(n > c.max_seq_length for n in lengths),
            len(encoded) - len(kept),
            len(held_out),
            sum(map(len, held)),
            self._held_out.count(None),
        )

    def trainer(self, arguments: dict[str, Any]) -> Trainer:
        self._collate = Collator(self._tokenizer.pad_token_id, self._vision)
        t = Trainer(
            model=self.model,
            args=SFTConfig(
                **arguments,
                max_length=None,
                packing=False,
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=self._train,
            processing_class=self._tokenizer,
            data_collator=self._collate,
            peft_config=self._lora(),
        )
        self.model = t.model
        quantized.restore_adapter(self._job, t.model)
        origin.restore(self._job, t.model)
        if self._apart:
            base = t.model.get_base_model() if self._job.lora else t.model
            apart.compact(base)
        self._trainer = t
        return t

    def _lora(self) -> Any:
        config = model.lora(self._job, "CAUSAL_LM")
        if self._vision is not None:
            config.target_modules = vision.targets(self.model, self._job.lora.target_modules)
        return config

    def evaluate(self) -> Evaluation:
        nll = tokens = right = 0.0
        rows: list[dict[str, Any]] = [
            {"row": i, "loss": None, "accuracy": None, "tokens": 0}
            for i in range(len(self._held_out))
        ]
        known = [i for i, row in enumerate(self._held_out) if row is not None]
        sums = self._sums([self._held_out[i] for i in known])
        for i, (a, b, n) in zip(known, sums, strict=True):
            rows[i] = {"row": i, "loss": a / n, "accuracy": b / n, "tokens": int(n)}
            nll, right, tokens = nll + a, right + b, tokens + n
        metrics = {"loss": nll / tokens, "accuracy": right / tokens} if tokens else {}
        return Evaluation(metrics, rows)

    def _sums(self, samples: list[dict[str, Any]]) -> list[list[float]]:
        """Of each sample the sum of the losses of its labels, the labels that are the most
        likely token, and their number."""
        sums, step = [], self._job.micro_batch
        for start in range(0, len(samples), step):
            batch = self._collate(samples[start : start + step])
            batch = {k: v.to(self._trainer.args.device) for k, v in batch.items()}
            with self._trainer.accelerator.autocast():
                out = self.model(**batch, use_cache=False, fused_lm_head=True)
            sums += torch.stack(
                [-out.log_probs.float().sum(1), out.is_top1.sum(1), out.label_mask.sum(1)], 1
            ).tolist()
        return sums

    def matches(self) -> Evaluation:
        def score(samples: list[dict[str, Any]]) -> list[float]:
            return [loss / n for loss, _, n in self._sums(samples)]

        return matched.losses(self._answers, self._job.config.max_seq_length, score)

    def answers(self) -> list[dict[str, Any]]:
        if not self._questions:
            return []
        with self._trainer.accelerator.autocast():
            return answers.generate(
                self.model,
                self._tokenizer,
                self._questions,
                self._job.micro_batch,
                self._job.config.max_seq_length,
                self._vision and self._vision.inputs,
            )

    def score(self, metrics: dict[str, float]) -> float:
        return -metrics["loss"]

    def save(self, folder: Path) -> None:
        if self._job.lora:
            model.save_adapter(self._job, self.model, folder)
        else:
            model.save_whole(self._job, self.model, folder)

    def load(self, folder: Path) -> None:
        if self._job.lora:
            model.load_adapter(self.model, folder)
        else:
            model.load_whole(self.model, folder)

    def merge(self, folder: Path) -> None:
        model.save_whole(self._job, model.merged(self._job, self.model), folder)


def questions(encoder: Encoder, rows: list[Row]) -> list[answers.Question]:
    """The first rows that ask something."""
    out: list[answers.Question] = []
    for i, row in enumerate(rows):
        if len(out) == answers.SHOWN:
            break
        if asked := encoder.question(row):
            out.append(answers.Question(i, *asked, encoder.pictures(row, asked[0])))
    return out


class Collator:
    """Pads the samples of a micro-batch, those of packed rows one by one."""

    def __init__(self, pad: int, images: vision.Vision | None = None):
        self._pad, self._images = DataCollatorForLanguageModeling(pad_token_id=pad), images

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = self._pad([sample for row in rows for sample in _samples(row)])
        if self._images is None:
            return batch
        names = [name for row in rows for name in row.get("pictures") or ()]
        return {**batch, **self._images.inputs(batch["input_ids"], names)}


def _samples(row: dict[str, Any]) -> list[dict[str, Any]]:
    lengths = row.get("seq_lengths")
    if lengths is None:
        return [{"input_ids": row["input_ids"], "labels": row["labels"]}]
    samples, start = [], 0
    for n in lengths:
        part = slice(start, start + n)
        samples.append({"input_ids": row["input_ids"][part], "labels": row["labels"][part]})
        start += n
    return samples
