"""Single-vector text models in the format of sentence-transformers."""

import json

from sentence_transformers import SentenceTransformer

from . import adapter
from .encoder import Encoder, Refused, complete


def load(model: str, path, own=None) -> "Sentences":
    """Load the modules that modules.json lists; only the library's own are run.

    own is the folder of an adapter of them. Its base may lack modules.json: the library then
    takes the mean of a text's tokens, as training did.
    """
    modules = path / "modules.json"
    for module in json.loads(modules.read_text()) if modules.is_file() else ():
        if not module["type"].startswith("sentence_transformers."):
            raise Refused(f"{model} requires its own code ({module['type']}), never executed")
    options = {"local_files_only": True, "trust_remote_code": False}
    network = SentenceTransformer(
        str(path), device="cpu", model_kwargs={"use_safetensors": True}, **options
    )
    inner = getattr(network[0], "auto_model", None)
    if inner is not None:  # the library does not tell of lacking weights: ask again
        _, info = type(inner).from_pretrained(path, output_loading_info=True, **options)
        complete(model, [k for k in info["missing_keys"] if not k.startswith("pooler.")])
    if own is not None:
        network[0].model, _ = adapter.merge(network[0].model, own)
    return Sentences(network)


class Sentences(Encoder):
    """One vector of length 1 a text, with the model's default prompt if it has one."""

    kind = "single"
    no_pictures = "this model embeds texts only: send input instead of messages"

    def __init__(self, network):
        super().__init__(network, None)
        self.dim = network.get_embedding_dimension()
        self.max_tokens = network.max_seq_length or 0
        self._prompt = network.prompts.get(network.default_prompt_name or "", "")

    @property
    def tokenizer(self):
        """What counts the tokens of a text."""
        return self.network.tokenizer

    def tokens(self, text: str) -> int:
        """How many tokens a text has, with the prompt before it."""
        return super().tokens(self._prompt + text)

    def __call__(self, kind: str, items: list) -> list:
        rows = self.network.encode(
            items,
            batch_size=len(items),
            normalize_embeddings=True,
            show_progress_bar=False,
            device=self.device,
        )
        return list(rows[:, None])
