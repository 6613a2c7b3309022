"""Writes the model of the test into a folder, for transformers and vLLM, and for llama.cpp.

The weights are random, so that nothing is downloaded. vLLM's attention needs heads of at least 32
dimensions. llama.cpp refuses to send invalid UTF-8, so its tokens are parts of ASCII texts.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy
from safetensors.numpy import load_file
from trainer import tiny


def ascii_only(token: str, number: int) -> str:
    """Byte-level BPE writes the bytes 0 to 32 and 127 as the characters from 256 on."""
    if all(33 <= ord(c) <= 126 or 256 <= ord(c) <= 289 for c in token):
        return token
    return f"[{number}]"


def write_gguf(source: Path, path: Path) -> None:
    """Convert a Llama of Hugging Face's format, whose tokenizer is byte-level BPE."""
    config = json.loads((source / "config.json").read_text("utf-8"))
    tokenizer = json.loads((source / "tokenizer.json").read_text("utf-8"))
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_head_count(config["num_attention_heads"])
    out.add_head_count_kv(config["num_key_value_heads"])
    out.add_rope_dimension_count(config["head_dim"])
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_vocab_size(config["vocab_size"])
    special = {token["content"] for token in tokenizer["added_tokens"]}
    vocab = sorted(tokenizer["model"]["vocab"].items(), key=lambda entry: entry[1])
    tokens = [ascii_only(token, i) for i, (token, _) in enumerate(vocab)]
    tokens += [f"[{i}]" for i in range(len(tokens), config["vocab_size"])]
    kinds = [
        gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL
        for t in tokens
    ]
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    out.add_eos_token_id(config["eos_token_id"])
    out.add_pad_token_id(config["pad_token_id"])
    out.add_add_bos_token(False)
    out.add_chat_template((source / "chat_template.jinja").read_text("utf-8"))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, tensor in load_file(source / "model.safetensors").items():
        out.add_tensor(names.get_name(name, (".weight",)), tensor.astype(numpy.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main() -> None:
    folder = Path(sys.argv[1])
    write_gguf(
        tiny.make("llama", folder / "model", hidden=256, layers=1),
        folder / "model.gguf",
    )


if __name__ == "__main__":
    main()
