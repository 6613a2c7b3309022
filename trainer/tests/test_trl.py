"""The trainer has the same losses as a plain TRL script with the same settings."""

import jobs as make
import pytest
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

SIDES = {
    "sft": (SFTConfig, SFTTrainer, make.chats(14), {}),
    "dpo": (DPOConfig, DPOTrainer, make.pairs(14), {"beta": 0.1}),
}


@pytest.mark.parametrize("method", SIDES)
@pytest.mark.parametrize("accumulation", [1, 2])
def test_losses_are_those_of_a_plain_script(tmp_path, random_model, train, method, accumulation):
    config, kind, rows, more = SIDES[method]
    plain = kind(
        model=AutoModelForCausalLM.from_pretrained(random_model),
        args=config(
            **make.plain(
                tmp_path,
                per_device_train_batch_size=2 if accumulation == 1 else 7,
                gradient_accumulation_steps=accumulation,
                max_length=64,
                **more,
            )
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(random_model),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules=make.LORA["target_modules"]
        ),
    )
    plain.train()
    theirs = [x for x in plain.state.log_history if "loss" in x]
    d = make.document(
        tmp_path,
        random_model,
        method,
        rows,
        micro_batch=2 if accumulation == 1 else 7,
        accumulation=accumulation,
        epochs=2,
        learning_rate=5e-3,
    )
    ours = [e for e in train(d) if e["event"] == "step"]
    assert len(ours) == (14 if accumulation == 1 else 2)
    for key in ("loss", "learning_rate"):
        assert [e[key] for e in ours] == pytest.approx([x[key] for x in theirs], abs=1e-5)
    norms = [e["metrics"]["grad_norm"] for e in ours]
    assert norms == pytest.approx([x["grad_norm"] for x in theirs], rel=1e-3)


@pytest.mark.parametrize("loss", ["kto", "apo_zero_unpaired"])
def test_kto_is_that_of_a_plain_script(tmp_path, random_model, train, loss):
    """Accumulation, a schedule, weights and all layers; the plain script shuffles once, too."""
    rows = make.rated(24)
    settings = {"beta": 0.3, "desirable_weight": 1.2, "undesirable_weight": 0.7}
    plain = KTOTrainer(
        model=AutoModelForCausalLM.from_pretrained(random_model),
        args=KTOConfig(
            **make.plain(
                tmp_path,
                num_train_epochs=3,
                per_device_train_batch_size=4,
                gradient_accumulation_steps=3,
                learning_rate=1e-2,
                lr_scheduler_type="cosine",
                max_length=20,
                loss_type=loss,
                **settings,
            )
        ),
        train_dataset=Dataset.from_list(rows).shuffle(seed=7),
        processing_class=AutoTokenizer.from_pretrained(random_model),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear"
        ),
    )
    plain.train()
    theirs = [x for x in plain.state.log_history if "loss" in x]
    for micro in (4, 2, 1):  # as after running out of memory: the same pairs and estimates
        d = make.document(
            tmp_path / str(micro),
            random_model,
            "kto",
            rows,
            batch_size=4,
            micro_batch=micro,
            accumulation=3 * 4 // micro,
            epochs=3,
            learning_rate=1e-2,
            lr_scheduler="cosine",
            max_seq_length=20,
            target_modules=["all-linear"],
            loss=loss,
            **settings,
        )
        ours = [e for e in train(d) if e["event"] == "step"]
        assert len(ours) == 6
        for key in ("loss", "learning_rate"):
            assert [e[key] for e in ours] == pytest.approx([x[key] for x in theirs], abs=1e-5)
        norms = [e["metrics"]["grad_norm"] for e in ours]
        assert norms == pytest.approx([x["grad_norm"] for x in theirs], rel=1e-3)
        if micro == 4:
            names = ["kl", "rewards/chosen", "rewards/rejected"]
            assert all(
                e["metrics"][k] == pytest.approx(x[k], abs=1e-5)
                for e, x in zip(ours, theirs, strict=True)
                for k in names
            )
    assert any(x["kl"] > 1e-3 for x in theirs) == (loss == "kto")
