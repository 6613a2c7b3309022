"""A program as Cogniverse has it: its remote training backend, with one import changed.

python cogniverse.py OUTPUT_DIR prints the result as JSON.
"""

import asyncio
import json
import sys
from dataclasses import asdict

from cogflow_client.modal_runner import ModalJobConfig, ModalTrainingRunner

# The metadata of Cogniverse's rows; with it they are too large for an input, and are uploaded.
NOTE = {"note": "x" * 4000}
ROWS = [
    {
        "text": f"### Instruction:\nHow many lamps are in hall {i}?\n\n### Response:\n{3 * i + 1}.",
        "metadata": NOTE,
    }
    for i in range(44)
]
CONFIG = {
    "epochs": 3,
    "batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 2e-4,
    "use_lora": True,
    "max_seq_length": 96,
    "min_rows": 10,
    "eval_steps": 10,
}

if __name__ == "__main__":
    runner = ModalTrainingRunner(
        ModalJobConfig(gpu="cpu", gpu_count=1, cpu=4, memory=16384, timeout=3600)
    )
    result = asyncio.run(
        runner.run_sft(
            dataset=ROWS, base_model="tiny/llama", output_dir=sys.argv[1], sft_config=CONFIG
        )
    )
    print(json.dumps(asdict(result)))
