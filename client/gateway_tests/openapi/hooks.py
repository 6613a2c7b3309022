"""What schemathesis is told about the gateway: requests that succeed, and a media type.

COGFLOW_SEEDS is a file with the parameters and the body of a good request by operation, and
COGFLOW_STATUSES one to write the statuses of all answers to.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import re
import threading
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import schemathesis
from schemathesis.transport.requests import REQUESTS_TRANSPORT

SEEDS: dict[str, dict[str, Any]] = json.loads(Path(os.environ["COGFLOW_SEEDS"]).read_text())
METHODS = {"get", "put", "post", "patch", "delete", "head"}

statuses: dict[str, Counter[str]] = defaultdict(Counter)
lock = threading.Lock()
PATHS: dict[str, set[str]] = {}


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Give each operation its good request as an example."""
    unused = set(SEEDS)
    for path, methods in raw_schema["paths"].items():
        PATHS[path] = METHODS & set(methods)
        for method, operation in methods.items():
            if method in METHODS and operation["operationId"] in SEEDS:
                unused.discard(operation["operationId"])
                add(operation, dict(SEEDS[operation["operationId"]]))
    if unused:
        raise ValueError(f"these operations do not exist: {sorted(unused)}")


def add(operation: dict[str, Any], good: dict[str, Any]) -> None:
    if "body" in good:
        if list(good["body"]) == ["base64"]:
            good["body"] = base64.b64decode(good["body"]["base64"])
        for content in operation["requestBody"]["content"].values():
            content["example"] = good["body"]
        del good["body"]
    for parameter in operation.get("parameters", []):
        for name in parameter["name"].split("_or_"):  # of methods that share a path
            if name in good:
                parameter["example"] = good.pop(name)
    if good:
        raise ValueError(f"{operation['operationId']} does not have the parameters {sorted(good)}")


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """A budget of the whole tenant would end the calls of models."""
    if context.operation.definition.raw.get("operationId") == "setBudget" and isinstance(
        body, dict
    ):
        body["model"] = "other"
    return body


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Which failures count.

    An address with many wrong keys is refused by 429. A path such as /programs/a/rollback also is
    one of /programs/{name}/{version}.
    """
    if b'"too_many_wrong_keys"' in response.content or "got `429" in failure.message:
        return False
    if type(failure).__name__ != "AllowHeaderMismatch":
        return True
    allowed = set(response.headers.get("allow", [""])[0].split(", "))
    return allowed != {
        method.upper()
        for path, methods in PATHS.items()
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", path), urlsplit(response.request.url).path)
        for method in methods
    }


@REQUESTS_TRANSPORT.serializer("application/offset+octet-stream")
def piece(context: Any, value: Any) -> dict[str, Any]:
    """The bytes of an upload."""
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    with lock:
        statuses[f"{case.operation.label}"][str(response.status_code)] += 1


@atexit.register
def write() -> None:
    Path(os.environ["COGFLOW_STATUSES"]).write_text(json.dumps(statuses, sort_keys=True))
