import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the libraries are imported
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["PYTHONPATH"] = os.pathsep.join(
    [os.path.join(os.path.dirname(__file__), "../src"), os.path.dirname(__file__)]
)

import json

import pytest
import torch

from trainer import job as jobs
from trainer import tiny
from trainer.events import Events
from trainer.stop import Stop


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory):
    """A Llama with random weights."""
    return tiny.make("llama", tmp_path_factory.mktemp("random"), hidden=32)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A Llama that was trained on its text, so that an adapter can change its outputs."""
    return tiny.make("llama", tmp_path_factory.mktemp("trained"), hidden=96, train_steps=150)


@pytest.fixture(scope="session")
def looker(tmp_path_factory):
    """A Qwen2-VL with random weights."""
    return tiny.make("qwen2_vl", tmp_path_factory.mktemp("looker"), hidden=32)


@pytest.fixture
def train(tmp_path):
    """Runs a job document in this process and returns its events."""

    def run(document):
        from trainer.run import run as go

        path = tmp_path / "events.jsonl"
        path.write_bytes(b"")
        descriptor = os.open(path, os.O_WRONLY)
        try:
            go(jobs.parse(json.dumps(document)), Events(descriptor), Stop())
        finally:
            os.close(descriptor)
        return [json.loads(line) for line in path.read_text().splitlines()]

    return run
