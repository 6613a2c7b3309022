"""Triplets with a rule: the words of a topic come in two kinds, and nothing but training says
which belong together. A positive shares no word with its anchor."""

import random

TOPICS = [
    ("harbour boat tide sail", "fish net storm anchor"),
    ("baker flour oven dough", "bread salt yeast crust"),
    ("piano violin choir song", "tune chord drum melody"),
    ("engine battery cable lamp", "current heat motor wire"),
    ("garden apple cherry plum", "tree leaf root blossom"),
    ("school teacher pupil lesson", "book chalk exam letter"),
]


def triplets(n, seed):
    choose = random.Random(seed)

    def some(topic, kind):
        return " ".join(choose.sample(TOPICS[topic][kind].split(), 3))

    rows = []
    for _ in range(n):
        topic, other = choose.sample(range(len(TOPICS)), 2)
        texts = some(topic, 0), some(topic, 1), some(other, 1)
        rows.append(dict(zip(("anchor", "positive", "negative"), texts, strict=True)))
    return rows


def pairs(n, seed):
    return [{k: r[k] for k in ("anchor", "positive")} for r in triplets(n, seed)]
