"""Start a whole cogflow, fill it, and let schemathesis test all that /openapi.json promises.

`make test-openapi` builds and runs this. COGFLOW_BIN is the folder of the programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "src")]

import models  # noqa: E402
from seed import seed  # noqa: E402
from stack import BIN, Servers, free_port, listener, listening, tiny, worker_env  # noqa: E402

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "missing_required_header",
    "ignored_auth",
]


def stack(servers: Servers) -> tuple[str, str]:
    """The URL of a listener that requires a key, and a key."""
    listeners = {
        "main": {"address": "127.0.0.1:0", "tenant": "default"},
        "keyed": {"address": "127.0.0.2:0"},
    }
    sleeper = models.on_demand(free_port())
    section = {
        "gateway": {"listeners": listeners},
        "sources": {"acme": [str(servers.folder)]},
        "servers": sleeper["servers"],
        "endpoints": {**models.serve(), **sleeper["endpoints"]},
        "optimize": {"student": {"model": "chat"}},
    }
    folder = tiny(servers.folder / "models", "llama")
    listening(servers, "stack", "cogflow-worker --dev --gpu none", section, **worker_env(folder))
    create = [BIN / "cogflow", "--json", "keys", "create", "--tenant", "acme", "--name", "test"]
    made = subprocess.run(create, cwd=servers.folder, check=True, capture_output=True, text=True)
    return listener(servers, "stack", "keyed"), json.loads(made.stdout)["secret"]


def schemathesis(url: str, key: str, folder: Path, options: list[str]) -> int:
    command = [
        *[sys.executable, "-m", "schemathesis.cli", "run", url + "/openapi.json"],
        *["--checks", ",".join(CHECKS), "--seed", "16", "--generation-database", "none"],
        *[
            "--request-timeout",
            "20",
            "--workers",
            "2",
            "--continue-on-failure",
            "--max-examples",
            "8",
        ],
        *["--header", f"Authorization: Bearer {key}", *options],
    ]
    env = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "COGFLOW_SEEDS": str(folder / "seeds.json"),
        "COGFLOW_STATUSES": str(folder / "statuses.json"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(command, cwd=folder, env=env).returncode


def report(statuses: dict[str, dict[str, int]]) -> list[str]:
    """Print what the operations answered. The result are those without a success."""
    total: Counter[str] = Counter()
    for counts in statuses.values():
        total.update(counts)
    none = [name for name, counts in statuses.items() if not any(s[0] in "23" for s in counts)]
    print("answers by status:", dict(sorted(total.items())))
    print(f"operations with a success: {len(statuses) - len(none)} of {len(statuses)}")
    for name in none:
        print(f"  never succeeded: {name}: {statuses[name]}")
    return none


def internal_errors(log: Path) -> None:
    """Print what the log says about answers with status 500."""
    for line in log.read_text().splitlines():
        if '"status":500' in line or '"level":"ERROR"' in line:
            print(line)


def main(options: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="cogflow-openapi-") as at:
        servers = Servers(Path(at))
        try:
            url, key = stack(servers)
            seeds: dict[str, Any] = seed(url, key, servers.folder)
            (servers.folder / "seeds.json").write_text(json.dumps(seeds))
            failed = schemathesis(url, key, servers.folder, options)
            internal_errors(servers.folder / "stack.log")
            none = report(json.loads((servers.folder / "statuses.json").read_text()))
        finally:
            servers.stop()
        return failed or int(bool(none))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
