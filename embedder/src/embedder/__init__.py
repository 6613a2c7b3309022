"""An HTTP server for embedding models that vLLM does not serve."""
