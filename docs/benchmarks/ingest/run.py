"""Runs every program once undisturbed and once with SIGKILL in the middle; writes results.json.

usage: run.py ENDPOINT BIN [NAME ...]    ENDPOINT: the built main.go; BIN: the folder with cogflow
"""

import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tree import Tree

HERE = Path(__file__).parent
CLIPS, SECONDS, SLOTS, LATENCY_MS = 10, 60, 8, 100
FRAMES = CLIPS * SECONDS
LIMIT = 150  # seconds after which a run is given up
PEERS = {
    "plain loop": "plain.py",
    "asyncio": "asyncio_jsonl.py",
    "Ray Data": "ray_data.py",
    "Prefect": "prefect_flow.py",
    "cogflow": None,
}


def clips(folder: Path) -> None:
    """Every frame has its own noise, so that no two are equal."""
    for i in range(CLIPS):
        source = (
            f"testsrc2=s=320x180:r=1:d={SECONDS},noise=alls=20:allf=t:all_seed={i + 1}"
        )
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            source,
            "-preset",
            "veryfast",
        ]
        command += ["-pix_fmt", "yuv420p", folder / f"clip-{i}.mp4"]
        subprocess.run(command, check=True)


def counts(url: str) -> dict:
    with urllib.request.urlopen(url + "/counts", timeout=10) as answer:
        return json.load(answer)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """One program in a folder of its own."""

    def __init__(self, name: str, bin: Path, media: Path, work: Path, url: str):
        self.name, self.bin, self.media, self.work, self.url = (
            name,
            bin,
            media,
            work,
            url,
        )
        self.starts = 0
        self.env = os.environ | {
            "HOME": str(work),
            "PREFECT_HOME": str(work / "prefect"),
        }
        self.env |= {
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "DO_NOT_TRACK": "1",
        }
        self.env |= {
            "RAY_USAGE_STATS_ENABLED": "0",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        }
        self.env |= {"INGEST_CLIPS": str(media), "INGEST_WORK": str(work)}
        self.env |= {"INGEST_URL": url, "INGEST_SLOTS": str(SLOTS)}
        # A busy machine starts their servers slowly.
        self.env |= {"RAY_raylet_start_wait_time_s": "120"}
        self.env |= {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}
        if name == "cogflow":
            endpoint = {"kind": "openai", "url": url + "/v1", "models": ["simulated"]}
            endpoint |= {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}
            endpoint |= {"max_in_flight": SLOTS}
            sampling = {"strategy": "fps", "fps": 1}
            profile = {"describe": {"model": "simulated"}, "sampling": sampling}
            config = {"active_profile": "main", "endpoints": {"simulated": endpoint}}
            config["profiles"] = {"main": profile}
            (work / "config.json").write_text(json.dumps({"cogflow": config}))
            self.env |= {"COGNIVERSE_CONFIG": str(work / "config.json")}
            self.ports = [free_port(), free_port()]
            self.env |= {"COGFLOW_PORT": str(self.ports[0])}
            self.env |= {"COGFLOW_UI_PORT": str(self.ports[1])}

    def start(self, tree: Tree) -> int:
        """Start it as its user does, the first time and after a crash, and return the process to wait for."""
        script = PEERS[self.name]
        if script:
            return tree.start(
                [sys.executable, HERE / "peers" / script], self.work, self.env
            )
        worker = tree.start([self.bin / "cogflow-worker", "--dev"], self.work, self.env)
        self.starts += 1
        while self.ready() < self.starts:
            time.sleep(0.05)
            if tree.ended(worker):
                raise SystemExit((self.work / "log").read_text()[-3000:])
        address = ["--address", f"127.0.0.1:{self.ports[0]}"]
        command = [
            self.bin / "cogflow",
            "ingest",
            self.media,
            "--json",
            "--quiet",
            *address,
        ]
        return tree.start(command, self.work, self.env)

    def ready(self) -> int:
        return (self.work / "log").read_text().count('"msg":"ready"')

    def answers(self) -> list[tuple[str, str]]:
        """The stored captions, as frame and number in the caption."""
        import hashlib

        rows = []
        if self.name == "cogflow":
            import sqlite3

            index = sqlite3.connect(next(self.work.glob(".cogflow/index.db")))
            query = "SELECT d.id, caption FROM document d"
            return [
                (str(i), text.rstrip(".").split()[-1])
                for i, text in index.execute(query)
            ]
        if self.name == "asyncio":
            lines = (self.work / "captions.jsonl").read_text().splitlines()
            rows = [(r["path"], r["caption"]) for r in map(json.loads, lines)]
        elif self.name == "Ray Data":
            import pyarrow.parquet as pq

            for r in pq.read_table(self.work / "captions").to_pylist():
                rows.append((r["path"], r["caption"]))
        else:
            rows = list(json.loads((self.work / "captions.json").read_text()).items())
        for path, text in rows:
            number = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
            if number not in text:
                raise SystemExit(
                    f"{self.name}: {path} has the caption of another frame"
                )
        return [(path, text.rstrip(".").split()[-1]) for path, text in rows]


def one(name: str, kill: bool, endpoint: str, bin: Path, media: Path) -> dict:
    server = subprocess.Popen(
        [endpoint, "-slots", str(SLOTS), "-latency", f"{LATENCY_MS}ms"],
        stdout=subprocess.PIPE,
        text=True,
    )
    url = server.stdout.readline().strip()
    with tempfile.TemporaryDirectory(
        prefix="ingest-", ignore_cleanup_errors=True
    ) as folder:
        program, tree = Program(name, bin, media, Path(folder), url), Tree({server.pid})
        result = {"name": name, "killed": kill}
        began = time.monotonic()
        main = program.start(tree)
        if kill:
            while counts(url)["calls"] < FRAMES / 2 and not tree.ended(main):
                time.sleep(0.01)
            result["in_flight"] = counts(url)["busy"]
            tree.kill()
            main = program.start(tree)
        while not tree.ended(main) and time.monotonic() < began + LIMIT:
            time.sleep(0.02)
        result["seconds"] = time.monotonic() - began
        result["status"] = tree.statuses.get(main, "not ended")
        tree.stop()
        result["cpu_ms"] = tree.cpu * 1000 / FRAMES
        if result["status"]:
            print((Path(folder) / "log").read_text()[-3000:], file=sys.stderr)
        else:
            rows = program.answers()
            result["missing"] = FRAMES - len({number for _, number in rows})
            result["twice"] = len(rows) - len({path for path, _ in rows})
        result |= counts(url)
    server.kill()
    server.wait()
    return result


def main() -> None:
    endpoint, bin, *names = sys.argv[1:]
    setting = {"frames": FRAMES, "slots": SLOTS, "latency_ms": LATENCY_MS}
    setting |= {"cpus": os.cpu_count(), "python": platform.python_version()}
    runs = []
    with tempfile.TemporaryDirectory(prefix="clips-") as folder:
        clips(Path(folder))
        for name in names or PEERS:
            for kill in (False, True):
                load = Path("/proc/loadavg").read_text().split()[0]
                run = one(name, kill, endpoint, Path(bin).resolve(), Path(folder))
                runs.append(run | {"load": float(load)})
                print(json.dumps(runs[-1]), flush=True)
                text = json.dumps({"setting": setting, "runs": runs}, indent=1)
                (HERE / "results.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
