"""The text encoder on the disk, and what an adapter attaches to in it."""

from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer

from . import fits, model
from .fault import Input
from .job import Job

# Other names of attention's usual layers (BERT, MPNet, T5, DistilBERT,
# ModernBERT, …). A name with dots is the end of a path.
_ALIASES = {
    "q_proj": ("query", "q_lin", "attn.q", "SelfAttention.q", "Wqkv", "qkv_proj"),
    "k_proj": ("key", "k_lin", "attn.k", "SelfAttention.k", "Wqkv", "qkv_proj"),
    "v_proj": ("value", "v_lin", "attn.v", "SelfAttention.v", "Wqkv", "qkv_proj"),
    "o_proj": (
        "attention.output.dense",
        "out_lin",
        "attn.o",
        "SelfAttention.o",
        "attn.Wo",
        "out_proj",
    ),
}

# Nothing is fetched and no code of a folder is run.
SAFE: dict[str, Any] = {
    "local_files_only": True,
    "trust_remote_code": False,
}


def load(job: Job) -> SentenceTransformer:
    """The encoder, fresh from its folder. A folder of transformers alone gets mean pooling."""
    folder = model.checked(job)
    if model.late(job):
        raise Input(
            f"model {job.model.name}: it is a late-interaction model, which has a vector for each "
            f'token; set loss to "late_interaction", not "{job.config.loss}"'
        )
    weights = {"dtype": model.dtype(job), "use_safetensors": True}
    device = job.device
    if job.measure:  # the tokenizer needs no weights
        device = weights["device_map"] = "meta"
    try:
        m = SentenceTransformer(str(folder), device=device, model_kwargs=weights, **SAFE)
    except Exception as e:  # the library names no type for a broken file
        raise model.unreadable(job, str(folder), e) from e
    if not isinstance(m[0], Transformer):
        raise Input(
            f"model {job.model.name}: it begins with {type(m[0]).__name__}; only transformers "
            "can be trained"
        )
    # sentence-transformers silently fills missing weights with random ones: check again.
    inner, ask = type(m[0].model), {"device_map": "meta", "output_loading_info": True}
    _, info = inner.from_pretrained(folder, **ask, **SAFE)
    lacking = sorted(k for k in info["missing_keys"] if not k.startswith("pooler."))
    if lacking:
        raise Input(f"model {job.model.name}: its files lack the weights {lacking[0]} …")
    return m


def prompts(m: SentenceTransformer) -> tuple[str, str]:
    """The model's prefixes of a query and of a document.

    The library's encode_document overlooks "passage" and "corpus", because it always finds an
    empty "document". The default prompt counts where neither side has one of its own.
    """
    query = m.prompts.get("query") or ""
    names = ("document", "passage", "corpus")
    document = next((m.prompts[n] for n in names if m.prompts.get(n)), "")
    if query or document:
        return query, document
    default = m.prompts.get(m.default_prompt_name or "") or ""
    return default, default


def targets(job: Job, inner: torch.nn.Module) -> list[str]:
    """target_modules by the names of this architecture: query for q_proj in BERT.

    A name that the model has stays; one that is known by no other name stays too, for
    fits.targets to refuse.
    """
    paths = ["." + n for n in fits.linear(inner)]

    def has(name: str) -> bool:
        return any(p.endswith("." + name) for p in paths)

    found: list[str] = []
    for name in job.lora.target_modules:
        others = [a for a in _ALIASES.get(name, ()) if has(a)]
        found.append(name if has(name) or not others else others[0])
    return list(dict.fromkeys(found))
