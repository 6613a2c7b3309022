"""`transformers serve` with the route /tokenize of vLLM, which it lacks.

python counting.py serve MODEL …, as the program transformers.
"""

from typing import Any

from transformers import AutoTokenizer
from transformers.cli.serving import server
from transformers.cli.transformers import main

plain = server.build_server


def counting(*handlers: Any, **more: Any) -> Any:
    app = plain(*handlers, **more)

    @app.post("/tokenize")
    def tokenize(body: dict[str, Any]) -> dict[str, Any]:
        tokenizer = AutoTokenizer.from_pretrained(body["model"])
        text = tokenizer.apply_chat_template(
            body["messages"], tokenize=False, add_generation_prompt=True
        )
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return {
            "count": len(ids),
            "max_model_len": tokenizer.model_max_length,
            "tokens": ids,
        }

    return app


server.build_server = counting

if __name__ == "__main__":
    main()
