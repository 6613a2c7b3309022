"""The trainer has the same losses as a plain TRL script with the same settings."""

import jobs as make
import pytest
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

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
            output_dir=str(tmp_path / "plain"),
            num_train_epochs=2,
            per_device_train_batch_size=2 if accumulation == 1 else 7,
            gradient_accumulation_steps=accumulation,
            learning_rate=5e-3,
            seed=7,
            data_seed=7,
            optim="adamw_torch",
            max_length=64,
            bf16=False,
            gradient_checkpointing=False,
            use_cpu=True,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            **more,
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
