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


# The prompts of each role in config_sentence_transformers.json, as the trainer finds them.
ROLES = (("role_query", ("query",)), ("role_document", ("document", "passage", "corpus")))


class Sentences(Encoder):
    """One vector of length 1 a text, with the prompt of its role, else the default prompt."""

    kind = "single"
    no_pictures = "this model embeds texts only: send input instead of messages"

    def __init__(self, network):
        super().__init__(network, None)
        self.dim = network.get_embedding_dimension()
        self.max_tokens = network.max_seq_length or 0
        prompts = network.prompts
        self._prompts = {"query": prompts.get(network.default_prompt_name or "", "")}
        own = {r: next((prompts[n] for n in names if prompts.get(n)), "") for r, names in ROLES}
        if any(own.values()):  # one of the roles may have an empty prompt
            self._prompts |= own
            self.roles = frozenset(own)

    @property
    def tokenizer(self):
        """What counts the tokens of a text."""
        return self.network.tokenizer

    def tokens(self, text: str, kind: str = "query") -> int:
        """How many tokens a text has, with the prompt before it."""
        return super().tokens(self._prompts[kind] + text)

    def __call__(self, kind: str, items: list) -> list:
        rows = self.network.encode(
            items,
            prompt=self._prompts[kind],
            batch_size=len(items),
            normalize_embeddings=True,
            show_progress_bar=False,
            device=self.device,
        )
        return list(rows[:, None])
