"""The trainer beside plain scripts of TRL and sentence-transformers with the same settings: every
step's loss and gradient norm, and the last weights. Where it leaves them, by how much."""

import json

import jobs as make
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.losses import (
    MultipleNegativesRankingLoss,
    TripletLoss,
)
from topics import triplets
from torch.utils.data import RandomSampler
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from trainer import embedding, retrieval, tiny

KINDS = {"sft": (SFTConfig, SFTTrainer), "dpo": (DPOConfig, DPOTrainer)}
# 20 micro-batches of 2 rows and 3 micro-batches a step: the last of an epoch's 7 steps has 2.
SHAPE = {
    "accumulation": 3,
    "micro_batch": 2,
    "epochs": 2,
    "learning_rate": 5e-3,
    "lr_scheduler": "cosine",
    "warmup_steps": 1,
    "weight_decay": 0.1,
    "max_grad_norm": 0.5,
    "target_modules": ["all-linear"],
    "dropout": 0.0,  # batches without padding draw other masks
}
EVEN, UNEVEN = 40, 39
ONCE = {"epochs": 1, "warmup_steps": 0}  # a tenth of so few steps is none
EXACT = {"fp32": 1e-4, "bf16": 2e-2}  # relative


def shared(folder, shape, bf16=False):
    """The settings of a job as arguments of the libraries."""
    return make.plain(
        folder,
        num_train_epochs=shape["epochs"],
        per_device_train_batch_size=shape["micro_batch"],
        gradient_accumulation_steps=shape["accumulation"],
        learning_rate=shape["learning_rate"],
        lr_scheduler_type=shape["lr_scheduler"],
        warmup_steps=shape["warmup_steps"],
        weight_decay=shape["weight_decay"],
        max_grad_norm=shape["max_grad_norm"],
        bf16=bf16,
    )


def lora(task, shape):
    targets = shape["target_modules"]
    return LoraConfig(
        task_type=task,
        r=8,
        lora_alpha=16,
        lora_dropout=shape["dropout"],
        target_modules="all-linear" if targets == ["all-linear"] else targets,
    )


def recorded(kind):
    """A trainer of a library that also keeps the mean loss of each micro-batch and its rows."""

    class Recorded(kind):
        parts = None

        def compute_loss(self, model, inputs, *args, **named):
            loss = super().compute_loss(model, inputs, *args, **named)
            self.parts = self.parts or []
            rows = next(len(v) for k, v in inputs.items() if k.endswith("input_ids"))
            self.parts.append((loss.item(), rows))
            return loss

    return Recorded


def plain_trl(folder, model, method, rows, shape, numerics, **more):
    config, kind = KINDS[method]
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[numerics]
    trainer = recorded(kind)(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=dtype, attn_implementation="sdpa"),
        args=config(**shared(folder, shape, numerics == "bf16"), max_length=64, **more),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=lora("CAUSAL_LM", shape),
    )
    trainer.train()
    return trainer


def logged(trainer):
    return [x for x in trainer.state.log_history if "loss" in x]


def assert_equal(ours, trainer, rel):
    theirs = logged(trainer)
    assert len(ours) == len(theirs)
    for key in ("loss", "learning_rate"):
        assert [e[key] for e in ours] == pytest.approx([x[key] for x in theirs], rel=rel, abs=rel)
    norms = [e["metrics"]["grad_norm"] for e in ours]
    assert norms == pytest.approx([x["grad_norm"] for x in theirs], rel=rel)


def distance(folder, model):
    """Of the published last weights from those of a plain script, as a share of their size."""
    saved = load_file(folder / "work/output/last/adapter_model.safetensors")
    named = model.named_parameters()
    own = {
        n[n.index("base_model.") :].replace(".default", ""): p.detach().cpu()
        for n, p in named
        if "lora_" in n
    }
    assert saved.keys() == own.keys()
    apart = sum((saved[n] - own[n]).square().sum() for n in own).sqrt()
    return (apart / sum(own[n].square().sum() for n in own).sqrt()).item()


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("numerics", ["fp32", "bf16"])
def test_sft_is_trls(tmp_path, random_model, train, numerics, packing):
    """Also in an epoch's short last step: a step is the mean over its tokens."""
    rows = make.chats(60 if packing else UNEVEN)
    shape = SHAPE | ({"micro_batch": 1} if packing else {})
    more = {"packing": True, "packing_strategy": "bfd"} if packing else {}
    plain = plain_trl(tmp_path, random_model, "sft", rows, shape, numerics, **more)
    changes = shape | {"packing": packing, "numerics": numerics}
    ours = make.steps(train(make.document(tmp_path, random_model, "sft", rows, **changes)))
    assert_equal(ours, plain, EXACT[numerics])
    assert distance(tmp_path, plain.model) < EXACT[numerics]


@pytest.mark.parametrize("numerics", ["fp32", "bf16"])
def test_dpo_is_trls_where_micro_batches_are_even(tmp_path, random_model, train, numerics):
    rows = make.pairs(EVEN)  # a short last step of whole micro-batches
    plain = plain_trl(tmp_path, random_model, "dpo", rows, SHAPE, numerics, beta=0.3)
    changes = SHAPE | {"beta": 0.3, "numerics": numerics}
    ours = make.steps(train(make.document(tmp_path, random_model, "dpo", rows, **changes)))
    assert_equal(ours, plain, EXACT[numerics])
    assert distance(tmp_path, plain.model) < EXACT[numerics]


def assert_leaves_in_short_step(ours, plain, step):
    """Equal until the step before, and in this one the mean over rows, not over micro-batches."""
    theirs = logged(plain)
    before = [e["loss"] for e in ours[: step - 1]]
    assert before == pytest.approx([x["loss"] for x in theirs[: step - 1]], abs=1e-4)
    parts = plain.parts[(step - 1) * SHAPE["accumulation"] :][:2]
    (whole, rows), (short, fewer) = parts
    assert fewer < rows
    assert theirs[step - 1]["loss"] == pytest.approx((whole + short) / 2, abs=1e-4)
    mean = (whole * rows + short * fewer) / (rows + fewer)
    assert ours[step - 1]["loss"] == pytest.approx(mean, abs=1e-4)
    assert abs(mean - theirs[step - 1]["loss"]) > 1e-3


def test_dpo_leaves_trl_in_the_short_last_step(tmp_path, random_model, train):
    """Its last micro-batch has one row: with TRL that row weighs as much as the two before it."""
    rows = make.pairs(UNEVEN)
    # 5e-2 amplifies the differences of rounding a hundredfold.
    shape = SHAPE | ONCE | {"learning_rate": 1e-2, "beta": 1.0}
    plain = plain_trl(tmp_path, random_model, "dpo", rows, shape, "fp32", beta=1.0)
    ours = make.steps(train(make.document(tmp_path, random_model, "dpo", rows, **shape)))
    assert_leaves_in_short_step(ours, plain, 7)


LOSSES = {
    "triplet": lambda m: TripletLoss(m, retrieval.PAIRWISE["cosine"], triplet_margin=0.5),
    "mnr": lambda m: MultipleNegativesRankingLoss(m, scale=retrieval.SCALE),
}
PAIRS = {"micro_batch": 4, "batch_size": 4, "gradient_accumulation_steps": 3, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Without dropout of its own."""
    folder = tiny.make("encoder", tmp_path_factory.mktemp("encoder"), hidden=32)
    file = folder / "config.json"
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    file.write_text(json.dumps(json.loads(file.read_text()) | off))
    return folder


def unique(n):
    """Triplets of which no text is in two: the ranking loss would keep such rows apart."""
    rows = triplets(n, 1)
    return [{k: f"{text} {i}" for k, text in row.items()} for i, row in enumerate(rows)]


def plain_sentences(folder, base, rows, shape, loss):
    set_seed(7)  # an adapter begins with random numbers
    model = SentenceTransformer(str(base), device="cpu").requires_grad_(False)
    model.max_seq_length = 64
    model[0].model = get_peft_model(model[0].model, lora("FEATURE_EXTRACTION", shape))

    def sampler(rows, batch_size, drop_last, **_):
        """The same order of rows in every epoch."""
        if loss == "mnr":
            return embedding.apart(rows, batch_size, 7)
        return embedding.Shuffled(rows, batch_size, drop_last, seed=7)

    arguments = shared(folder, shape)
    trainer = recorded(SentenceTransformerTrainer)(
        model=model,
        args=SentenceTransformerTrainingArguments(**arguments, batch_sampler=sampler),
        train_dataset=Dataset.from_list(rows),
        loss=LOSSES[loss](model),
    )
    trainer.train()
    return trainer


@pytest.mark.parametrize("loss", LOSSES)
def test_embedding_is_sentence_transformers_where_batches_are_even(tmp_path, encoder, train, loss):
    rows, shape = unique(80), SHAPE | PAIRS
    plain = plain_sentences(tmp_path, encoder, rows, shape, loss)
    d = make.document(tmp_path, encoder, "embedding", rows, **shape, loss=loss)
    ours = make.steps(train(d))
    assert_equal(ours, plain, 1e-3)
    assert distance(tmp_path, plain.model) < 1e-2


def test_order_of_the_first_epoch_is_the_librarys():
    rows = Dataset.from_list(unique(10))
    library = RandomSampler(rows, generator=torch.Generator().manual_seed(7))
    theirs = DefaultBatchSampler(library, 4, False)
    ours = embedding.Shuffled(rows, 4, False, seed=7)
    assert list(ours) == list(theirs)
    ours.set_epoch(1)
    theirs.set_epoch(1)
    second = list(ours)
    assert second != list(theirs)  # it depends on the numbers that were drawn before
    assert list(ours) == second


@pytest.mark.parametrize("loss", LOSSES)
def test_embedding_leaves_sentence_transformers_in_the_short_last_step(
    tmp_path, encoder, train, loss
):
    rows, shape = unique(77), SHAPE | PAIRS | ONCE
    plain = plain_sentences(tmp_path, encoder, rows, shape, loss)
    d = make.document(tmp_path, encoder, "embedding", rows, **shape, loss=loss)
    assert_leaves_in_short_step(make.steps(train(d)), plain, 7)
