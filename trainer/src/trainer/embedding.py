"""Contrastive training of text encoders, by sentence-transformers."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import DefaultBatchSampler, NoDuplicatesBatchSampler
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
    TripletLoss,
)
from transformers import set_seed

from . import encoder, findings, fits, model, origin, retrieval
from .durable import Durable
from .fault import Input
from .job import Job
from .method import Evaluation, Finding, Row, Stats
from .tokens import tally

COLUMNS = ("anchor", "positive", "negative")  # in the order of the losses


class Method:
    """See method.py. An evaluation searches for the positives of the held-out rows."""

    def __init__(self, job: Job):
        self._job = job
        c = job.config
        if c.loss == "triplet" and not 0 < c.triplet_margin:
            raise Input(f"job.config.triplet_margin: {c.triplet_margin} is not above 0")
        if c.loss == "triplet" and c.distance_metric == "cosine" and c.triplet_margin >= 2:
            raise Input(
                f"job.config.triplet_margin: {c.triplet_margin} is not below 2, the largest "
                "cosine distance, so no triplet could ever reach it"
            )
        self._batch, self._accumulation = job.micro_batch, job.accumulation
        if c.loss == "mnr":
            self._batch, self._accumulation = whole_batch(job)
        set_seed(job.seed)  # an adapter begins with random numbers
        self.model = encoder.load(job)
        own = self.model[0].max_seq_length or c.max_seq_length
        self.model[0].max_seq_length = min(own, c.max_seq_length)
        query, document = encoder.prompts(self.model)
        self._prompts = {"anchor": query, "positive": document, "negative": document}
        if job.lora is not None:
            self._adapt()

    def _adapt(self) -> None:
        inner = self.model[0].model
        lora = dataclasses.replace(self._job.lora, target_modules=encoder.targets(self._job, inner))
        job = dataclasses.replace(self._job, lora=lora)
        fits.targets(job, inner)
        self.model.requires_grad_(False)  # also the modules after the transformer
        inner.name_or_path = job.model.id  # PEFT takes the base's name from here
        self.model[0].model = get_peft_model(inner, model.lora(job, "FEATURE_EXTRACTION"))
        origin.restore(job, self.model[0].model)

    def findings(self, rows: list[Row]) -> list[Finding]:
        _texts_only(rows)
        limit = self.model[0].max_seq_length
        return findings.embedding(self.model.tokenizer, limit, self._prompts, rows)

    def prepare(self, train: list[Row], held_out: list[Row]) -> Stats:
        c = self._job.config
        _texts_only(train + held_out)
        if c.loss == "triplet" and "negative" not in train[0]:
            raise Input('the triplet loss needs rows with a negative; set loss to "mnr" for pairs')
        self._columns = [k for k in COLUMNS if k in train[0]]
        self._train = Dataset.from_dict({k: [r[k] for r in train] for k in self._columns})
        self._held_out = held_out
        limit = self.model[0].max_seq_length
        longest, tokens = self._lengths(train)
        _, eval_tokens = self._lengths(held_out)
        # A row's length is that of its longest text: that is what the limit cuts.
        cut = sum(n > limit for n in longest)
        return tally(longest, tokens, cut, self._left_out(), len(held_out), eval_tokens)

    def _lengths(self, rows: list[Row]) -> tuple[list[int], int]:
        """The length of each row's longest text, and the tokens of all texts after the cut."""
        longest, tokens = [0] * len(rows), 0
        for k in self._columns if rows else ():
            texts = [self._prompts[k] + r[k] for r in rows]
            ids = self.model.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
            cut = (i[: self.model[0].max_seq_length] for i in ids)
            fits.vocabulary(self._job, self.model[0].model, self.model.tokenizer, cut)
            longest = [max(n, len(i)) for n, i in zip(longest, ids, strict=True)]
            tokens += sum(min(len(i), self.model[0].max_seq_length) for i in ids)
        return longest, tokens

    def _left_out(self) -> int:
        if self._job.config.loss != "mnr":
            return 0
        return left_out(self._train, self._batch, self._job.seed)

    def trainer(self, arguments: dict[str, Any]) -> "Trainer":
        arguments = {
            **arguments,
            "per_device_train_batch_size": self._batch,
            "gradient_accumulation_steps": self._accumulation,
            "prompts": {k: p for k, p in self._prompts.items() if p},
        }
        if arguments.pop("gradient_checkpointing", False):
            # The two libraries name it differently.
            self.model[0].model.gradient_checkpointing_enable({"use_reentrant": False})
        self._trainer = Trainer(
            model=self.model,
            args=SentenceTransformerTrainingArguments(**arguments),
            train_dataset=self._train,
            loss=self._loss(),
        )
        self._trainer.ranks = self._job.config.loss == "mnr"
        return self._trainer

    def _loss(self) -> torch.nn.Module:
        c = self._job.config
        if c.loss == "triplet":
            return TripletLoss(
                self.model, retrieval.PAIRWISE[c.distance_metric], triplet_margin=c.triplet_margin
            )
        if self._job.micro_batch < self._batch:
            return CachedMultipleNegativesRankingLoss(
                self.model, scale=retrieval.SCALE, mini_batch_size=self._job.micro_batch
            )
        return MultipleNegativesRankingLoss(self.model, scale=retrieval.SCALE)

    def evaluate(self) -> Evaluation:
        self._vectors = vectors = {k: self._encode(k) for k in self._columns}
        pool = retrieval.Pool.of(self._held_out)
        corpus = vectors["positive"][pool.documents]
        rows: list[dict[str, Any]] = [{"row": i} for i in range(len(self._held_out))]
        c = self._job.config
        # The ranking loss knows cosine only.
        metric = c.distance_metric if c.loss == "triplet" else "cosine"
        if "negative" in vectors:
            add(rows, retrieval.triplets(metric, *(vectors[k] for k in COLUMNS)))
        if c.loss == "triplet":
            add(rows, [{"loss": max(0.0, c.triplet_margin - r["margin"])} for r in rows])
        else:
            also = vectors.get("negative")
            add(rows, retrieval.ranking_losses(vectors["anchor"], corpus, pool, also))
        add(rows, retrieval.rank(metric, vectors["anchor"], corpus, pool))
        names = [k for k in rows[0] if k != "row"]
        return Evaluation({k: sum(r[k] for r in rows) / len(rows) for k in names}, rows)

    def _encode(self, column: str) -> torch.Tensor:
        encode = self.model.encode_query if column == "anchor" else self.model.encode_document
        with self._trainer.accelerator.autocast():
            return encode(
                [r[column] for r in self._held_out],
                prompt=self._prompts[column],
                batch_size=self._job.micro_batch,
                convert_to_tensor=True,
                show_progress_bar=False,
            ).float()

    def answers(self) -> list[dict[str, Any]]:
        return []  # an embedding model writes no text

    def matches(self) -> Evaluation:
        queries, corpus = self._vectors["anchor"], self._vectors["positive"]
        pool = retrieval.Pool.of(self._held_out)
        c = self._job.config
        metric = c.distance_metric if c.loss == "triplet" else "cosine"
        corpus = corpus[pool.documents]
        return Evaluation({}, retrieval.strangers(metric, queries, corpus, pool, self._held_out))

    def score(self, metrics: dict[str, float]) -> float:
        return -metrics["loss"]

    def save(self, folder: Path) -> None:
        if self._job.lora is not None:
            model.save_adapter(self._job, self.model[0].model, folder)
        else:
            self._save_whole(folder)

    def _save_whole(self, folder: Path) -> None:
        self.model.save_pretrained(str(folder), create_model_card=False)
        # The base's own, with its own limit of tokens instead of the job's.
        model.copy_tokenizer(self._job, folder)

    def load(self, folder: Path) -> None:
        if self._job.lora is not None:
            model.load_adapter(self.model[0].model, folder)
        else:
            # Explicit and strict: the library's own restore keeps the last weights and only
            # logs when it fails.
            whole = SentenceTransformer(str(folder), device="cpu", **encoder.SAFE)
            self.model.load_state_dict(whole.state_dict(), strict=True)

    def merge(self, folder: Path) -> None:
        self.model[0].model = self.model[0].model.merge_and_unload(safe_merge=True)
        self._save_whole(folder)


def _texts_only(rows: list[Row]) -> None:
    for i, row in enumerate(rows):
        for key, value in row.items():
            if not isinstance(value, str):
                raise Input(
                    f"{key} of row {i + 1} is an image; images need a late-interaction model as "
                    'base_model and the loss "late_interaction"'
                )


def add(rows: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    """Further values of rows."""
    for row, values in zip(rows, more, strict=True):
        row.update(values)


def whole_batch(job: Job) -> tuple[int, int]:
    """Batch and accumulation of a ranking loss. The batch holds the negatives of its anchors: it
    stays as it was requested, whatever part of it fits into memory at a time."""
    batch, accumulation = job.config.batch_size, job.config.gradient_accumulation_steps
    if batch * accumulation != job.micro_batch * job.accumulation:
        raise Input(
            f"job: micro_batch {job.micro_batch} x accumulation {job.accumulation} are "
            f"not the {batch} x {accumulation} rows of job.config"
        )
    return batch, accumulation


def left_out(rows: Dataset, batch_size: int, seed: int) -> int:
    """How many rows the first epoch has no batch for, because their texts occur so often that
    they would meet themselves; another epoch leaves out others."""
    batches = apart(rows, batch_size, seed)
    return len(rows) - sum(map(len, itertools.islice(batches, len(batches))))


class EvenRows:
    """Mixed into a trainer of the library: every row of an optimizer step weighs the same,
    however it is divided into micro-batches."""

    ranks = False  # rows of a batch are each other's negatives

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self.model_accepts_loss_kwargs = True  # compute_loss does the division

    def add_model_card_callback(self, *_: Any) -> None:
        """Nothing: the caller writes the card, and this one reads the dataset through."""

    def get_batch_sampler(self, dataset: Any, batch_size: int, drop_last: bool, **_: Any) -> Any:
        """The library's samplers take no seed, and its default one continues after a resume as if
        in the first epoch."""
        if self.ranks:
            return apart(dataset, batch_size, self.args.seed)
        return Shuffled(dataset, batch_size, drop_last, seed=self.args.seed)

    def _get_num_items_in_batch(self, batch_samples: list, device: Any) -> int:
        return sum(_rows(inputs) for inputs in batch_samples)

    def compute_loss(self, model: Any, inputs: Any, *_: Any, num_items_in_batch: int) -> Any:
        share = _rows(inputs) / num_items_in_batch
        return super().compute_loss(model, inputs) * share


class Trainer(EvenRows, Durable, SentenceTransformerTrainer):
    """The library's trainer that stops and resumes with identical results."""


def apart(rows: Dataset, batch_size: int, seed: int) -> NoDuplicatesBatchSampler:
    """Batches in which every text is unique."""
    return NoDuplicatesBatchSampler(rows, batch_size, False, generator=torch.Generator(), seed=seed)


class Shuffled(DefaultBatchSampler):
    """Batches in an order that follows from seed and epoch alone, and not from their size."""

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.sampler), generator=generator).tolist()
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]


def _rows(inputs: dict[str, Any]) -> int:
    return next(len(v) for k, v in inputs.items() if k.endswith("_input_ids"))
