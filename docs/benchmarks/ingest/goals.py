"""Compares the output of `go test -bench` with goals: prints a table and writes goals.svg.

usage: goals.py OUTPUT
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent

# Benchmark, metric, what it is, goal; the goal of a negative one is an upper limit.
GOALS = [
    ("HTTP", "cold", "frames/s ÷ endpoint alone, first start", 0.90),
    ("HTTP", "warm", "frames/s ÷ endpoint alone, later start", 0.97),
    ("HTTP", "peak", "calls in flight at 64 slots", -96),
    ("HTTP", "cpu-ms", "CPU a frame, 1,184 frames (ms)", -4),
    ("Pipeline", "cpu-ms", "CPU a frame, 10,000 frames (ms)", -4),
    ("Pipeline", "events/1k", "Temporal events per 1,000 frames", -150),
    ("HybridSearch/10000", "p50_ms", "search of 10,000 frames, p50 (ms)", -10),
    ("HybridSearch/300000", "p50_ms", "search of 300,000 frames, p50 (ms)", -40),
    ("HybridSearch/300000", "recall@10", "recall@10 of 300,000 frames", 0.98),
    ("FPS", "x_bare", "fps ÷ bare decode", 0.82),
    ("Keyframes", "x_fps", "keyframes ÷ fps", 6),
]


def metrics(output: str) -> dict[tuple[str, str], float]:
    found = {}
    for line in output.splitlines():
        start = re.match(r"Benchmark(\S+?)-\d+\s+\d+\s+(.*)", line)
        if start:
            fields = start[2].split()
            for value, unit in zip(fields[::2], fields[1::2], strict=True):
                found[start[1], unit] = float(value)
    return found


def main() -> None:
    found = metrics(Path(sys.argv[1]).read_text())
    print("| What | measured | goal | reached |\n|---|---|---|---|")
    height, unit, left = 50 + 24 * len(GOALS), 150, 270
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="840" height="{height}" fill="white"/>',
        f'<text x="{left}" y="18">relative to the goal; longer is better</text>',
        f'<line x1="{left + unit}" y1="28" x2="{left + unit}" y2="{height - 12}" stroke="#333"/>',
    ]
    for i, (bench, metric, what, goal) in enumerate(GOALS):
        value = found[bench, metric]
        ratio = value / goal if goal > 0 else -goal / value
        bound = f"≥ {goal}" if goal > 0 else f"≤ {-goal}"
        reached = "yes" if ratio >= 1 else "no"
        print(f"| {what} | {value:.4g} | {bound} | {reached} |")
        y, colour = 34 + 24 * i, "#4878a8" if ratio >= 1 else "#c0703c"
        width = unit * min(ratio, 3)
        out += [
            f'<text x="8" y="{y + 12}">{what}</text>',
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="15" fill="{colour}"/>',
            f'<text x="{left + width + 4:.1f}" y="{y + 12}">{value:.4g} ({bound})</text>',
        ]
    (HERE / "goals.svg").write_text("\n".join([*out, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
