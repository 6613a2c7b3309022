"""Complete tiny model folders, made on demand: for tests, examples and benchmarks.

    python -m trainer.tiny llama DIR --hidden 64 --layers 2 --train-steps 300

The architectures are real; only sizes and weights are toys. Equal arguments give equal files.
"""

import argparse
import json
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn import functional
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)
from transformers.utils import logging

Kind = Literal["llama", "smollm3", "qwen3", "qwen2_vl", "encoder"]

CAUSAL = {
    "llama": (LlamaConfig, LlamaForCausalLM, {"tie_word_embeddings": False}),
    # Every second layer is without rotary positions, so that two layers show both kinds.
    "smollm3": (
        SmolLM3Config,
        SmolLM3ForCausalLM,
        {"tie_word_embeddings": True, "no_rope_layer_interval": 2},
    ),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"tie_word_embeddings": True}),
}

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] }}<|im_end|>{% endgeneration %}\n"
    "{% else %}{{ message['content'] }}<|im_end|>\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

CAUSAL_TOKENS = {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
ENCODER_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}

LONGEST = {"causal": 4096, "encoder": 512}


def make(
    kind: Kind, path, *, hidden=64, layers=2, vocab=512, seed=0, train_steps=0, chats=None
) -> Path:
    """Write a model of this kind to a folder, which need not exist, and return the folder.

    vocab is the number of tokens; beyond what that text yields, tokens have no text of their own.
    The weights are random, or, with train_steps, trained for so many steps on the text that
    lies beside this module: a frozen random base caps what an adapter can learn.
    With chats, a file of rows {"messages"} as `cogflow train sft` takes them, tokenizer and
    weights are trained on those instead, and a line that many of them share is a token of its own:
    prompts of programs repeat their lines, and a tiny model need not spell them.
    The model qwen2_vl reads images, and has random weights.
    The encoder is a folder of sentence-transformers: BERT, mean pooling.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "encoder":
            if chats is not None:
                raise ValueError("an encoder is not trained on chats")
            _encoder(path, hidden, layers, vocab, seed, train_steps)
        elif kind == "qwen2_vl":
            _vision(path, hidden, layers, vocab)
        else:
            _causal(kind, path, hidden, layers, vocab, seed, train_steps, chats)
    return path


def text() -> list[str]:
    """The sentences that the tokenizer and the bases are trained on."""
    lines = resources.files(__package__).joinpath("tiny.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line]


def _causal(kind, path, hidden, layers, vocab, seed, train_steps, chats):
    told = [] if chats is None else [row["messages"] for row in _rows(chats)]
    texts = [m["content"] for chat in told for m in chat] or text()
    tokenizer = _tokenizer(vocab, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], texts)
    tokenizer.add_tokens([AddedToken(line, normalized=False) for line in _common(told)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        additional_special_tokens=["<|im_start|>"],
        **CAUSAL_TOKENS,
        model_max_length=LONGEST["causal"],
        chat_template=CHATML,
    )
    configure, build, more = CAUSAL[kind]
    heads = _heads(hidden)
    config = configure(
        vocab_size=max(len(fast), vocab),
        hidden_size=hidden,
        intermediate_size=hidden * 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=hidden // heads,
        max_position_embeddings=LONGEST["causal"],
        bos_token_id=None,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        # The libraries' 0.02 is meant for thousands of dimensions: in a toy, attention would
        # stay even for hundreds of steps.
        **({"initializer_range": hidden**-0.5} if told else {}),
        **more,
    )
    model = build(config)
    if train_steps:
        rendered = [fast.apply_chat_template(c, tokenize=False) for c in told or _chats()]
        texts = rendered if told else text() + rendered
        _train(model, _stream(fast, texts), train_steps, seed, _next_token)
    model.eval().save_pretrained(path)
    fast.save_pretrained(path)


def _vision(path, hidden, layers, vocab):
    from .tiny_vision import SPECIAL, build  # it imports torchvision

    build(path, _tokenizer(vocab, list(SPECIAL), text()), hidden, layers, _heads(hidden))


def _encoder(path, hidden, layers, vocab, seed, train_steps):
    # Imported here: it takes seconds, and the other kinds do without.
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    tokenizer = _tokenizer(vocab, list(ENCODER_TOKENS.values()), text())
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **ENCODER_TOKENS,
        model_max_length=LONGEST["encoder"],
    )
    config = BertConfig(
        vocab_size=max(len(fast), vocab),
        hidden_size=hidden,
        intermediate_size=hidden * 4,
        num_hidden_layers=layers,
        num_attention_heads=_heads(hidden),
        max_position_embeddings=LONGEST["encoder"],
        pad_token_id=fast.pad_token_id,
    )
    model = BertModel(config)
    if train_steps:
        _train(model, _stream(fast, text()), train_steps, seed, _neighbours)
    # Written where it stays: sentence-transformers reads the parts of a model from a folder.
    model.eval().save_pretrained(path)
    fast.save_pretrained(path)
    parts = [Transformer(str(path), max_seq_length=LONGEST["encoder"]), Pooling(hidden, "mean")]
    SentenceTransformer(modules=parts, device="cpu").save_pretrained(
        str(path), create_model_card=False
    )


def _heads(hidden):
    """An even number of heads, of 64 dimensions in larger models and of 16 in toys."""
    return max(2, hidden // (64 if hidden >= 256 else 16))


def _tokenizer(vocab, special, texts) -> Tokenizer:
    """Byte-level BPE: every text of every language has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _common(chats: list[list[dict[str, str]]]) -> list[str]:
    """The lines that at least one chat in twenty has, those of most chats first."""
    counts = Counter(line for chat in chats for line in _lines(chat))
    least = max(2, len(chats) // 20)
    return sorted((x for x, n in counts.items() if n >= least), key=lambda x: (-counts[x], x))


def _lines(chat: list[dict[str, str]]) -> set[str]:
    return {line for m in chat for line in m["content"].splitlines(keepends=True)}


def _rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _chats():
    """The sentences as conversations: the beginning of a line is asked, the rest is answered."""
    for line in text():
        asked, _, answered = line.partition(" ")
        yield [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


def _stream(tokenizer, texts) -> torch.Tensor:
    ids = [i for t in texts for i in [*tokenizer(t)["input_ids"], tokenizer.pad_token_id]]
    return torch.tensor(ids)


def _next_token(model, rows):
    return model(input_ids=rows, labels=rows).loss


def _neighbours(model, rows):
    """The two halves of a window find each other among those of the others."""
    halves = [model(input_ids=half).last_hidden_state.mean(1) for half in rows.chunk(2, dim=1)]
    first, second = (functional.normalize(half) for half in halves)
    return functional.cross_entropy(20 * first @ second.T, torch.arange(len(rows)))


def _train(model, stream, steps, seed, loss, rows=16, length=64):
    """A plain loop over random windows of the stream."""
    choose = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=steps)
    model.train()
    for _ in range(steps):
        starts = torch.randint(len(stream) - length, (rows,), generator=choose).tolist()
        loss(model, torch.stack([stream[s : s + length] for s in starts])).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="trainer.tiny", description="Write a tiny model folder.")
    parser.add_argument("kind", choices=get_args(Kind))
    parser.add_argument("path", help="folder to write")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--vocab", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-steps", type=int, default=0, help="0 leaves the weights random")
    parser.add_argument("--chats", help="conversations to train on, JSON lines")
    given = vars(parser.parse_args(arguments))
    logging.disable_progress_bar()
    print(make(given.pop("kind"), given.pop("path"), **given))


if __name__ == "__main__":
    main()
