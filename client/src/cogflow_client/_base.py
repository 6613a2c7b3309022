"""What Client and AsyncClient share: addresses, keys, headers and timeouts."""

from __future__ import annotations

import os
from typing import Any

import httpx

from ._retry import Policy

DEFAULT_URL = "http://127.0.0.1:8090"

# Temporal, and the object store behind the gateway, can take seconds to answer.
_TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=60.0, pool=10.0)


def settings(url: str | None, api_key: str | None) -> tuple[str, str]:
    """The URL and the key: the given ones, else those of the environment."""
    url = url or os.environ.get("COGFLOW_URL") or DEFAULT_URL
    key = api_key if api_key is not None else os.environ.get("COGFLOW_API_KEY", "")
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"the URL {url!r} must be that of a gateway, such as {DEFAULT_URL}")
    return url.rstrip("/"), key


def options(url: str | None, api_key: str | None, timeout: float | None) -> dict[str, Any]:
    """Options of the client of httpx."""
    base, key = settings(url, api_key)
    headers = {"User-Agent": "cogflow-client", "Accept": "application/json"}
    if key:
        headers["Authorization"] = "Bearer " + key
    return {
        "base_url": base,
        "headers": headers,
        "timeout": _TIMEOUT if timeout is None else httpx.Timeout(timeout),
        # A redirect to another host would carry the key there.
        "follow_redirects": False,
    }


class Base:
    """Options of a client."""

    def __init__(self, retry_seconds: float) -> None:
        if retry_seconds < 0:
            raise ValueError("retry_seconds must not be negative")
        self._policy = Policy(seconds=retry_seconds)


def tuning(
    budget_usd: float | None, concurrency: int | None, approve: bool | None
) -> dict[str, Any]:
    """The body of a change of a running job."""
    all_values = {"budget_usd": budget_usd, "concurrency": concurrency, "approve": approve}
    body = {name: value for name, value in all_values.items() if value is not None}
    if not body:
        raise ValueError("set budget_usd, concurrency or approve")
    return body
