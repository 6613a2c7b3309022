"""Language models of the gateway for DSPy: pip install 'cogflow-client[dspy]'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._base import settings

if TYPE_CHECKING:
    import dspy


def lm(
    model: str, *, url: str | None = None, api_key: str | None = None, **options: Any
) -> dspy.LM:
    """A dspy.LM for a model of the gateway, as /v1/models lists it.

    All options are those of dspy.LM. The key and the URL are found as by Client.
    """
    try:
        import dspy
    except ImportError as e:
        raise ImportError(
            "cogflow_client.dspy requires DSPy: pip install 'cogflow-client[dspy]'"
        ) from e
    for name in ("api_base", "base_url"):
        if name in options:
            raise ValueError(f"{name} is that of the gateway; set url instead")
    base, key = settings(url, api_key)
    # LiteLLM takes the provider from the name, and refuses to send a request without a key.
    return dspy.LM(f"openai/{model}", api_base=base + "/v1", api_key=key or "none", **options)
