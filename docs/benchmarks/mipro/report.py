"""Makes results.json, results.svg and a table out of the runs of experiment.py.

report.py RUNS.jsonl
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).parent
TITLES = {
    "rules": "hidden house rules",
    "plain": "no hidden rules",
    "trap": "most changes harm",
}
CURVE = ["quarter", "half", "equal"]
COUNTED = ["half, confirmation counted", "equal, confirmation counted"]
WIDTH, HEIGHT, LEFT, TOP = 250, 190, 60, 40


def error(values):
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def gather(path):
    """Runs by world and auto mode, then by method, in the order of seeds."""
    cells = defaultdict(lambda: defaultdict(list))
    for line in path.read_text().splitlines():
        run = json.loads(line)
        cells[run["world"], run["auto"]][run["method"]].append(run)
    for methods in cells.values():
        for runs in methods.values():
            runs.sort(key=lambda r: r["seed"])
    return cells


def searched(run):
    """Calls of the student from the end of the bootstrap to the program found."""
    return sum(run["calls"].get(s, 0) for s in ("search", "race", "reflect"))


def summarize(runs, rival):
    best, shipped = [r["best"] for r in runs], [r["shipped"] for r in runs]
    below = [r for r in runs if r["shipped"] < r["default"] - 1e-12]
    better = [r for r in runs if r["best"] > r["default"] + 1e-12]
    lead = [r["best"] - d["best"] for r, d in zip(runs, rival, strict=True)]
    lead_shipped = [
        r["shipped"] - d["shipped"] for r, d in zip(runs, rival, strict=True)
    ]
    stages = ("bootstrap", "proposer", "confirm")
    return {
        "best": mean(best),
        "best_error": error(best),
        "shipped": mean(shipped),
        "shipped_error": error(shipped),
        "lead": mean(lead),
        "lead_error": error(lead),
        "lead_shipped": mean(lead_shipped),
        "lead_shipped_error": error(lead_shipped),
        "seeds_won": sum(x > 1e-12 for x in lead),
        "seeds_lost": sum(x < -1e-12 for x in lead),
        "found_below_default": sum(r["best"] < r["default"] - 1e-12 for r in runs),
        "shipped_below_default": len(below),
        "worst_shipped": min(r["shipped"] - r["default"] for r in runs),
        "promoted": sum(r.get("promoted", True) for r in runs),
        "found_better": len(better),
        "better_not_promoted": sum(not r.get("promoted", True) for r in better),
        "search_calls": mean(searched(r) for r in runs),
        "most_calls": max(searched(r) + r["calls"].get("confirm", 0) for r in runs),
        "other_calls": {s: mean(r["calls"].get(s, 0) for r in runs) for s in stages},
        "by_seed": {
            "best": [round(x, 4) for x in best],
            "shipped": [round(x, 4) for x in shipped],
        },
    }


def table(cells):
    lines = [
        "| World | auto | | student calls: search + confirm (most) | found | lead over DSPy |"
        " seeds won : lost | shipped | lead, shipped | shipped below default | better, not shipped |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (world, auto), cell in cells.items():
        lines.append(
            f"| {world} | {auto} | default; optimum | | {100 * cell['default']:.1f};"
            f" {100 * cell['optimum']:.1f} | | | | | | |"
        )
        for name, m in cell["methods"].items():
            lead, shipped = (
                ""
                if name == "DSPy"
                else f"{100 * m[k]:+.1f} ± {100 * m[k + '_error']:.1f}"
                for k in ("lead", "lead_shipped")
            )
            won = "" if name == "DSPy" else f"{m['seeds_won']} : {m['seeds_lost']}"
            calls = f"{m['search_calls']:.0f} + {m['other_calls']['confirm']:.0f}"
            calls += f" ({m['most_calls']})"
            lines.append(
                f"| | | {name} | {calls} | {100 * m['best']:.1f} | {lead} | {won} |"
                f" {100 * m['shipped']:.1f} | {shipped} |"
                f" {m['shipped_below_default']} of {cell['seeds']} |"
                f" {m['better_not_promoted']} of {m['found_better']} |"
            )
    return "\n".join(lines)


class Panel:
    """One world: mean held-out score by calls."""

    def __init__(self, cell, column, row):
        self.x0, self.y0 = LEFT + column * (WIDTH + 50), TOP + row * (HEIGHT + 70)
        methods = cell["methods"]
        tops = [m["best"] for m in methods.values()] + [cell["default"]]
        tops += [m["shipped"] for m in methods.values()]
        self.low, self.high = min(tops) - 0.02, max(tops) + 0.02
        spent = [
            m["search_calls"] + m["other_calls"]["confirm"] for m in methods.values()
        ]
        self.most = max(spent) * 1.08
        self.parts = []

    def at(self, calls, score):
        share = (score - self.low) / (self.high - self.low)
        return (
            self.x0 + WIDTH * calls / self.most,
            self.y0 + HEIGHT * (1 - share),
        )

    def line(self, points, color, dash=""):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{color}"{style}/>'
        )

    def text(self, x, y, text, anchor="middle", color="#333"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{text}</text>'
        )

    def mark(self, calls, score, spread, color, filled=True):
        x, y = self.at(calls, score)
        self.line(
            [self.at(calls, score - spread), self.at(calls, score + spread)], color
        )
        fill = color if filled else "white"
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{color}"/>'
        )

    def draw(self, title, cell):
        methods = cell["methods"]
        self.line(
            [(self.x0, self.y0), (self.x0, self.y0 + HEIGHT), (self.x0 + WIDTH, self.y0 + HEIGHT)],
            "#999",
        )  # fmt: skip
        self.text(self.x0 + WIDTH / 2, self.y0 - 10, title)
        for k in range(5):
            score = self.low + (self.high - self.low) * k / 4
            self.text(
                self.x0 - 6, self.at(0, score)[1] + 4, f"{100 * score:.0f}", "end"
            )
            calls = self.most * k / 4
            x, y = self.at(calls, self.low)
            self.text(x, y + 16, f"{calls:.0f}")
        start = cell["default"]
        self.line([self.at(0, start), self.at(self.most, start)], "#999", "4 3")
        for names, key, color, filled in (
            (CURVE, "best", "#1f6fb4", True),
            (COUNTED, "shipped", "#2a8a3e", False),
            (["DSPy"], "best", "#c23b22", True),
        ):
            spent = [
                methods[n]["search_calls"]
                + (methods[n]["other_calls"]["confirm"] if key == "shipped" else 0)
                for n in names
            ]
            scores = [methods[n][key] for n in names]
            self.line([self.at(*p) for p in zip(spent, scores)], color)
            for n, calls, score in zip(names, spent, scores):
                self.mark(calls, score, methods[n][f"{key}_error"], color, filled)
        return "\n".join(self.parts)


def plot(cells):
    autos = list(dict.fromkeys(auto for _, auto in cells))
    worlds = list(dict.fromkeys(world for world, _ in cells))
    drawn = [
        Panel(cell, worlds.index(world), autos.index(auto)).draw(
            f"{TITLES[world]}, {auto}", cell
        )
        for (world, auto), cell in cells.items()
    ]
    width = LEFT + len(worlds) * (WIDTH + 50)
    height = TOP + len(autos) * (HEIGHT + 70) + 30
    legend = (
        ("#c23b22", "DSPy's MIPROv2"),
        ("#1f6fb4", "improved: the program found, before confirmation"),
        ("#2a8a3e", "improved: shipped, confirmation's calls counted"),
        ("#999", "default program"),
    )
    for i, (color, label) in enumerate(legend):
        drawn.append(
            f'<text x="{LEFT + [0, 150, 480, 790][i]}" y="{height - 12}" fill="{color}">{label}</text>'
        )
    drawn.append(
        f'<text x="{LEFT + width / 2 - 60:.0f}" y="{height - 36}" text-anchor="middle" fill="#333">'
        "calls of the student; up: mean held-out accuracy in percent, with standard errors</text>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def cell_of(methods):
    rival = methods["DSPy"]
    return {
        "seeds": len(rival),
        "default": mean(r["default"] for r in rival),
        "optimum": mean(r["optimum"] for r in rival),
        "default_by_seed": [round(r["default"], 4) for r in rival],
        "methods": {name: summarize(runs, rival) for name, runs in methods.items()},
    }


def main():
    runs = gather(Path(sys.argv[1]))
    cells = {key: cell_of(methods) for key, methods in runs.items()}
    together = {}
    for auto in dict.fromkeys(auto for _, auto in runs):
        methods = defaultdict(list)
        for (_, of), made in runs.items():
            for name, list_ in made.items() if of == auto else ():
                methods[name] += list_
        together["all three", auto] = cell_of(methods)
    lines = [
        json.dumps({"world": w, "auto": a} | cell) for (w, a), cell in cells.items()
    ]
    (HERE / "results.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    (HERE / "results.svg").write_text(plot(cells))
    print(table(cells | together))


if __name__ == "__main__":
    main()
