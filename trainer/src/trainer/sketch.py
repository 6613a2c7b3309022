"""A small random copy of a model, which shows what its architecture does without its weights."""

import copy
from typing import Any

import torch

# Sizes of configurations, and what they become. A number of layers is set apart.
_SMALL = {
    "vocab_size": 64,
    "hidden_size": 64,
    "n_embd": 64,
    "d_model": 64,
    "word_embed_proj_dim": 64,
    "embedding_size": 64,
    "intermediate_size": 96,
    "n_inner": 96,
    "ffn_dim": 96,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "num_attention_heads": 4,
    "n_head": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "rotary_dim": 8,
    "mamba_d_ssm": 64,
    "mamba_n_heads": 4,
    "mamba_num_heads": 4,
    "mamba_d_head": 16,
    "mamba_head_dim": 16,
    "mamba_n_groups": 1,
    "mamba_d_state": 8,
    "mamba_chunk_size": 16,
    "chunk_size": 16,
}
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id")
_MOST = 50_000_000  # weights of a copy


@torch.no_grad()
def of(m: Any) -> Any | None:
    """A copy with few layers and small sizes, with random weights on the CPU; None if the
    architecture allows none. m may be on the meta device."""
    for sizes in (_SMALL, {"vocab_size": 64}):
        try:
            config = _config(m.config, sizes)
            with torch.device("meta"):
                weights = sum(p.numel() for p in type(m)(copy.deepcopy(config)).parameters())
            if weights > _MOST:
                continue
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                small = type(m)._from_config(config, dtype=torch.float32).eval()
                small(input_ids=torch.arange(8)[None], use_cache=False)
        except Exception:  # noqa: S112 (any size may be refused, in any way)
            continue
        return small
    return None


def _config(config: Any, sizes: dict[str, int]) -> Any:
    config = copy.deepcopy(config)
    text = config.get_text_config()
    name = next(n for n in _LAYERS if isinstance(getattr(text, n, None), int))
    layers = getattr(text, name)
    few = _few(text, layers)
    for key, value in list(vars(text).items()):
        if isinstance(value, list) and len(value) == layers:
            setattr(text, key, value[:few])  # one entry a layer
    setattr(text, name, few)
    for key, size in sizes.items():
        if isinstance(getattr(text, key, None), int):
            setattr(text, key, min(size, getattr(text, key)))
    for c in (config, text):
        for key in _TOKENS:
            known = getattr(c, key, None)
            if isinstance(known, list) or (
                isinstance(known, int) and known >= _SMALL["vocab_size"]
            ):
                setattr(c, key, None)
    return config


def _few(config: Any, layers: int) -> int:
    """The first layers that show every kind."""
    kinds = getattr(config, "layer_types", None) or []
    seen = [kinds.index(kind) + 1 for kind in set(kinds)]
    return min(layers, max([2, *seen]))
