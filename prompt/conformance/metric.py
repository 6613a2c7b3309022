"""Prints DSPy's EM and F1 of random pairs, draws of CPython's generator, and the
values that json_repair reads from random damaged JSON."""

import json
import random
import sys

from dspy.evaluate.metrics import EM, F1
from json_repair import loads

WORDS = [
    "The",
    "the",
    "a",
    "An",
    "Eiffel",
    "tower!",
    "(Paris)",
    "is",
    "in",
    "A-Team",
    "naïve",
    "nai\u0308ve",
    "x_y",
    "it's",
    "42",
    "\u00a0",
    "",
    "théâtre",
    "…",
]
BASE = [
    {"reasoning": "The user wants a clip.", "agent": "video_search", "confidence": 0.9},
    {"agent": "text_search", "tags": ["a", "b"], "n": 3, "ok": True, "x": None},
    ["video", "image", "audio"],
    {"a": {"b": [1, 2, {"c": "d"}]}, "e": "f, g: h"},
    {"text": 'He said "no", then left.', "score": 10},
    [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    {"code": "if (x) { y = [1, 'a']; }", "z": "C:\\new\\table"},
    {"u": "naïve “quoted” – text", "v": "line1\nline2\t\u00e9"},
    {"rows": [[1, 2], [3, 4]], "name": "it's"},
    {"k": -1.5e3, "l": [], "m": {}, "n": ""},
    {"q": "# not a comment // nor this", "r": 1},
]
INSERTS = [
    '"',
    "'",
    ",",
    ":",
    "}",
    "]",
    "{",
    "[",
    "\\",
    "//x\n",
    "#y\n",
    "/*z*/",
    "```",
    "(",
    ")",
    " ",
    "\n",
    "a",
    "1",
    "...",
    "None",
    '"",',
    "“",
    "”",
    "`",
]


def damaged(rnd):
    s = json.dumps(
        rnd.choice(BASE),
        indent=rnd.choice([None, None, 2]),
        ensure_ascii=rnd.random() < 0.5,
    )
    for _ in range(rnd.choice([1, 1, 2, 3])):
        if not s:
            break
        i = rnd.randrange(len(s))
        s = rnd.choice(
            [
                s[: i + 1],
                s[:i] + s[i + 1 :],
                s.replace(
                    '"', rnd.choice(["'", "“", "", '""']), rnd.choice([-1, 1, 2, 4])
                ),
                s.replace(": ", ":").replace("}", ",}").replace("]", ",]"),
                rnd.choice(["```json\n", "```", "Sure:\n", "x: "])
                + s
                + rnd.choice(["\n```", "", " done."]),
                s[i:],
                s.replace(
                    rnd.choice([", ", ": ", "{", "}", "[", "]"]),
                    rnd.choice(["", ";", " ", "="]),
                    rnd.choice([1, 2]),
                ),
                s[:i] + rnd.choice(INSERTS) + s[i:],
                s[:i] + rnd.choice(INSERTS) + s[i:],
            ]
        )
    return s


def draws(seed):
    r = random.Random(seed)
    n = 1 + seed % 400
    deck = list(range(n))
    r.shuffle(deck)
    return {
        "seed": seed,
        "n": n,
        "deck": deck,
        "sample": r.sample(range(n), min(n, 35)),
        "small": r.sample(range(n), min(n, 3)),
        "int": r.randint(0, 10**9),
        "choice": r.choice(range(6)),
        "float": r.random(),
    }


def main():
    out, sys.stdout = sys.stdout, sys.stderr  # F1 prints remarks
    rnd = random.Random(3)
    pairs = []
    for _ in range(400):
        a, b = (" ".join(rnd.choices(WORDS, k=rnd.randrange(1, 6))) for _ in range(2))
        pairs.append({"got": a, "want": b, "em": bool(EM(a, [b])), "f1": F1(a, [b])})
    texts = [damaged(rnd) for _ in range(3000)]
    json.dump(
        {
            "pairs": pairs,
            "draws": [
                draws(seed) for seed in [*range(300), 2**31, 2**32 + 5, 2**62, -7]
            ],
            "damaged": [
                {"text": s, "value": json.dumps(loads(s), ensure_ascii=False)}
                for s in texts
            ],
        },
        out,
    )


main()
