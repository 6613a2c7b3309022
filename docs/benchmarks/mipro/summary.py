"""Makes worlds.json, worlds.svg and a table out of the runs of experiment.py: what is shipped, against DSPy's MIPROv2.

summary.py RUNS.jsonl
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

RIVAL = "DSPy"
METHODS = [
    "equal, confirmation counted",
    "half, confirmation counted",
    "gepa",
    "DSPy GEPA",
]


def error(values):
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def student(run):
    """All calls of the student, those of the confirmation too."""
    return sum(n for stage, n in run["calls"].items() if stage != "proposer")


def read(path):
    """Seeds by auto and world, as far as all methods of that auto have run."""
    autos = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for run in map(json.loads, path.read_text().splitlines()):
        autos[run["auto"]][run["world"]][run["seed"]][run["method"]] = run
    found = {}
    for auto, worlds in autos.items():
        methods = {m for seeds in worlds.values() for s in seeds.values() for m in s}
        found[auto] = {
            world: [s for _, s in sorted(seeds.items()) if methods <= set(s)]
            for world, seeds in worlds.items()
        }
    return found


def row(name, seeds):
    rival = [s[RIVAL] for s in seeds]
    out = {
        "world": name,
        "seeds": len(seeds),
        "default": mean(r["default"] for r in rival),
        "dspy": mean(r["shipped"] for r in rival),
        "dspy_calls": mean(map(student, rival)),
        "methods": {},
    }
    for method in METHODS:
        if method not in seeds[0]:
            continue
        runs = [s[method] for s in seeds]
        cells = {"calls": mean(map(student, runs))}
        for key in ("best", "shipped"):
            lead = [r[key] - s["shipped"] for r, s in zip(runs, rival, strict=True)]
            cells[key] = [mean(lead), error(lead)]
        cells["below_default"] = sum(r["shipped"] < r["default"] - 1e-12 for r in runs)
        out["methods"][method] = cells
    return out


def estimates(worlds):
    """How far interval, estimate and means of promoted programs are from the truth."""
    errors, plain, missed, halves = [], [], 0, 0
    for seeds in worlds.values():
        for run in (s[m] for s in seeds for m in METHODS if m in s):
            gain = run.get("gain")
            if not gain:
                continue
            truth = run["best"] - run["default"]
            halves += 1
            missed += not gain["low"] <= truth <= gain["high"]
            if run["promoted"]:
                errors.append(gain["estimate"] - truth)
                plain.append(run["means"][1] - run["means"][0] - truth)
    return {
        "confirmed": halves,
        "missed": missed,
        "promoted": len(errors),
        "estimate": [mean(errors), error(errors)],
        "means": [mean(plain), error(plain)],
    }


def text(cells, key):
    return f"{100 * cells[key][0]:+.1f} ± {100 * cells[key][1]:.1f}"


SHOWN = [
    ("equal, confirmation counted", "shipped", "#2a8a3e", "improved"),
    ("half, confirmation counted", "shipped", "#1f6fb4", "half the calls"),
    ("gepa", "best", "#8a4fb4", "gepa, found"),
    ("DSPy GEPA", "best", "#c2722b", "DSPy's GEPA"),
]
LEFT, WIDE, HIGH, SPAN = 130, 620, 44, 40  # SPAN: points to each side of zero


def plot(rows):
    """Leads over MIPROv2 in points, with one standard error to each side."""

    def at(lead):
        return LEFT + WIDE * (min(max(100 * lead / SPAN, -1), 1) + 1) / 2

    bottom = 20 + HIGH * len(rows)
    parts = []
    for points in range(-SPAN, SPAN + 1, 10):
        x = at(points / 100)
        parts.append(f'<line x1="{x}" x2="{x}" y1="16" y2="{bottom}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{points:+d}</text>'
        )
    for i, r in enumerate(rows):
        name = r["world"].strip("*")
        parts.append(
            f'<text x="{LEFT - 10}" y="{45 + HIGH * i}" text-anchor="end">{name}</text>'
        )
        for j, (method, key, color, _) in enumerate(SHOWN):
            y = 28 + HIGH * i + 8 * j
            lead, spread = r["methods"][method][key]
            parts.append(
                f'<line x1="{at(lead - spread):.1f}" x2="{at(lead + spread):.1f}" y1="{y}" y2="{y}" stroke="{color}"/>'
                f'<circle cx="{at(lead):.1f}" cy="{y}" r="3.5" fill="{color}"/>'
            )
    for j, (_, _, color, label) in enumerate(SHOWN):
        parts.append(
            f'<text x="{LEFT + 160 * j}" y="{bottom + 40}" fill="{color}">{label}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 30} {bottom + 54}"'
        ' font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def table(rows):
    shown = [m for m in METHODS if m in rows[0]["methods"]]
    print("| World | seeds | default | MIPROv2 (calls) |", end="")
    for method in shown:
        print(f" {method} (calls) |", end="")
    print("\n|---|---|---|---|" + "---|" * len(shown))
    for r in rows:
        print(
            f"| {r['world']} | {r['seeds']} | {100 * r['default']:.1f} | {100 * r['dspy']:.1f} ({r['dspy_calls']:.0f}) |",
            end="",
        )
        for method in shown:
            cells = r["methods"][method]
            key = "shipped" if "counted" in method else "best"
            print(f" {text(cells, key)} ({cells['calls']:.0f}) |", end="")
        print()


def main():
    found = {}
    for auto, worlds in read(Path(sys.argv[1])).items():
        worlds = {w: seeds for w, seeds in worlds.items() if seeds}
        rows = [row(w, seeds) for w, seeds in worlds.items()]
        rows.append(row("*all*", [s for seeds in worlds.values() for s in seeds]))
        found[auto] = {"rows": rows, "gain": estimates(worlds)}
        print(f"\n{auto}\n")
        table(rows)
        print(json.dumps(found[auto]["gain"]))
    out = Path(__file__).parent / "worlds.json"
    out.write_text(json.dumps(found, indent=1) + "\n")
    out.with_suffix(".svg").write_text(plot(found["light"]["rows"]))


if __name__ == "__main__":
    main()
