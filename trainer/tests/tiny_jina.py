"""A tiny jina-embeddings-v3 as jinaai/jina-embeddings-v3-hf is laid out."""

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model, XLMRobertaTokenizer

from trainer import tiny

TASKS = ("retrieval_query", "retrieval_passage", "separation", "classification", "text_matching")
# Of the published configuration: what the class of transformers has no use for.
LEFT_OVER = {
    "_name_or_path": "jinaai/jina-embeddings-v3",
    "emb_pooler": None,
    "load_trained_adapters": True,
    "lora_adaptations": [task.replace("l_", "l.").replace("t_", "t-") for task in TASKS],
    "lora_alpha": 1,
    "lora_dropout_p": 0.0,
    "lora_main_params_trainable": False,
    "lora_rank": 4,
    "matryoshka_dimensions": [8, 16, 32],
    "position_embedding_type": "rotary",
    "rotary_emb_base": 20000.0,
    "task_instructions": {"retrieval.query": "Represent the query: ", "separation": ""},
    "truncate_dim": None,
    "use_flash_attn": True,
}
ADAPTED = ["word_embeddings", "token_type_embeddings", "q_proj", "k_proj", "v_proj", "o_proj"]
ADAPTED += ["fc1", "fc2", "dense"]


def make(path: Path) -> Path:
    """Base, tokenizer and the five adapters of tasks, each in a folder of its own."""
    path.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = JinaEmbeddingsV3Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=8194,
            initializer_range=0.2,
        )
        JinaEmbeddingsV3Model(config).save_pretrained(path)
        for task in TASKS:
            lora = LoraConfig(r=4, lora_alpha=1, target_modules=ADAPTED, init_lora_weights=False)
            base = JinaEmbeddingsV3Model.from_pretrained(path)
            get_peft_model(base, lora).save_pretrained(path / task, save_embedding_layers=False)
    file = path / "config.json"
    document = json.loads(file.read_text()) | LEFT_OVER
    del document["rope_parameters"]
    file.write_text(json.dumps(document))
    return path


def _tokenizer() -> XLMRobertaTokenizer:
    pieces = Tokenizer(models.Unigram())
    pieces.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    first = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces.train_from_iterator(
        tiny.text(),
        trainers.UnigramTrainer(
            vocab_size=300, special_tokens=first, unk_token="<unk>", show_progress=False
        ),
    )
    vocabulary = [tuple(v) for v in json.loads(pieces.to_str())["model"]["vocab"]]
    return XLMRobertaTokenizer(vocab=[*vocabulary, ("<mask>", 0.0)], model_max_length=8194)
