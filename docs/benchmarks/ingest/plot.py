"""Writes results.svg and prints the table of README.md from results.json."""

import json
from pathlib import Path

HERE = Path(__file__).parent
COLOURS = {False: "#4878a8", True: "#c0703c"}


def rows() -> tuple[dict, dict]:
    data = json.loads((HERE / "results.json").read_text())
    runs = {}
    for run in data["runs"]:
        runs.setdefault(run["name"], {})[run["killed"]] = run
    return data["setting"], runs


def table(setting: dict, runs: dict) -> str:
    lines = [
        "| Program | frames/s | frames/s, killed | CPU a frame (ms) | the same, killed | "
        "calls paid twice | in flight at the kill | missing | stored twice | load |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, pair in runs.items():
        calm, killed = pair[False], pair.get(True, {})
        cells = [name]
        for run in (calm, killed):
            ended = run.get("status") == 0
            cells.append(f"{setting['frames'] / run['seconds']:.1f}" if ended else "–")
        for run in (calm, killed):
            cells.append(f"{run['cpu_ms']:.1f}" if run.get("status") == 0 else "–")
        for key in ("repeated", "in_flight", "missing", "twice"):
            cells.append(killed.get(key, "–"))
        cells.append(", ".join(f"{r['load']:.0f}" for r in pair.values()))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def bars(x: int, title: str, values: dict, unit: str) -> list[str]:
    """One panel: a bar for each program and run, the length relative to the largest."""
    most = max([v for pair in values.values() for v in pair.values()] + [1e-9])
    out = [f'<text x="{x}" y="40" font-weight="bold">{title}</text>']
    for i, pair in enumerate(values.values()):
        for killed, value in pair.items():
            y, width = 54 + 44 * i + 18 * killed, 170 * value / most
            out.append(
                f'<rect x="{x}" y="{y}" width="{width:.1f}" height="15" fill="{COLOURS[killed]}"/>'
            )
            out.append(
                f'<text x="{x + width + 4:.1f}" y="{y + 12}">{value:.{unit}f}</text>'
            )
    return out


def svg(setting: dict, runs: dict) -> str:
    def values(of) -> dict:
        return {
            name: {k: of(r) for k, r in sorted(pair.items()) if r["status"] == 0}
            for name, pair in runs.items()
        }

    height = 70 + 44 * len(runs)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="840" height="{height}" fill="white"/>',
        f'<rect x="110" y="8" width="12" height="12" fill="{COLOURS[False]}"/>',
        '<text x="127" y="19">undisturbed</text>',
        f'<rect x="220" y="8" width="12" height="12" fill="{COLOURS[True]}"/>',
        '<text x="237" y="19">killed once in the middle and started again</text>',
    ]
    out += [
        f'<text x="8" y="{78 + 44 * i}">{name}</text>' for i, name in enumerate(runs)
    ]
    out += bars(
        110, "frames/s", values(lambda r: setting["frames"] / r["seconds"]), "1"
    )
    out += bars(350, "CPU a frame (ms)", values(lambda r: r["cpu_ms"]), "1")
    out += bars(590, "calls paid twice", values(lambda r: r["repeated"]), "0")
    return "\n".join([*out, "</svg>"]) + "\n"


if __name__ == "__main__":
    setting, runs = rows()
    (HERE / "results.svg").write_text(svg(setting, runs))
    print(table(setting, runs))
