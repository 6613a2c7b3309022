"""Writes the Parquet files of this folder, each with one fault in its first row or in its schema.

Run it with an environment that has pyarrow: python training/dataset/faultytest/testdata/write.py
"""

import datetime
import math
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def prompts(first=(), **columns):
    rows = [
        *first,
        *({"prompt": f"question {i}", "completion": f"answer {i}"} for i in range(60)),
    ]
    table = {name: [row.get(name) for row in rows] for name in ("prompt", "completion")}
    return pa.table(table | {name: make(len(rows)) for name, make in columns.items()})


def chats(first):
    good = [
        [
            {"role": "user", "content": f"question {i}"},
            {"role": "assistant", "content": f"answer {i}"},
        ]
        for i in range(60)
    ]
    return pa.table({"messages": pa.array([first, *good], MESSAGES)})


def main():
    row = {"prompt": "a", "completion": "b"}
    day = datetime.datetime(2024, 1, 1)
    image = {"bytes": b"\x89PNG", "path": "a.png"}
    for name, table in {
        "good": prompts(),
        "null": prompts([{"prompt": "a"}]),
        "twice": prompts([row, row]),
        "roles": chats(
            [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
        ),
        "nan": prompts([row], metadata=lambda n: [math.nan] + [0.5] * (n - 1)),
        "time": prompts(created=lambda n: pa.array([day] * n, pa.timestamp("us"))),
        "image": prompts(image=lambda n: [image] * n),
    }.items():
        pq.write_table(
            table, HERE / f"{name}.parquet", compression="zstd", write_statistics=False
        )


main()
