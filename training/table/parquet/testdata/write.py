"""Writes the Parquet files of this folder, and beside each its rows as JSON lines.

Run it with an environment that has pyarrow: python training/table/parquet/testdata/write.py
"""

import datetime
import decimal
import json
import math
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def write(name, table, expected=True, **options):
    pq.write_table(table, HERE / f"{name}.parquet", **options)
    if expected:
        lines = [
            json.dumps(row, ensure_ascii=False, default=str)
            for row in table.to_pylist()
        ]
        (HERE / f"{name.split('-')[0]}.jsonl").write_text(
            "".join(line + "\n" for line in lines), encoding="utf-8"
        )


def chats():
    def turns(i):
        said = [
            {"role": "user", "content": f'question {i} 日本\n"é"'},
            {"role": "assistant", "content": "answer " * (i % 5)},
        ]
        return None if i == 3 else [] if i == 5 else said * (1 + i % 3)

    return pa.table(
        {
            "messages": pa.array([turns(i) for i in range(40)], MESSAGES),
            "id": pa.array(range(40), pa.int64()),
        }
    )


def kinds():
    n = 30
    cells = [None if i % 7 == 0 else i for i in range(n)]
    return pa.table(
        {
            "text": pa.array(
                [None if c is None else f"prefix {c} shared" for c in cells],
                pa.string(),
            ),
            "large": pa.array([f"large {i}" for i in range(n)], pa.large_string()),
            "int8": pa.array([i - 15 for i in range(n)], pa.int8()),
            "int32": pa.array([(i - 15) * 10**8 for i in range(n)], pa.int32()),
            "int64": pa.array(
                [None if c is None else (c - 15) * 10**17 for c in cells], pa.int64()
            ),
            "uint32": pa.array([2**32 - 1 - i for i in range(n)], pa.uint32()),
            "uint64": pa.array([2**64 - 1 - i for i in range(n)], pa.uint64()),
            "float": pa.array([i / 8 for i in range(n)], pa.float32()),
            "double": pa.array([i / 3 for i in range(n)], pa.float64()),
            "bool": pa.array(
                [None if c is None else c % 3 == 0 for c in cells], pa.bool_()
            ),
            "nothing": pa.nulls(n),
            "word": pa.array([f"word {i % 3}" for i in range(n)]).dictionary_encode(),
            "deep": pa.array(
                [
                    None
                    if i % 5 == 0
                    else {"a": [[j] * j for j in range(i % 4)], "b": {"c": i}}
                    for i in range(n)
                ],
                pa.struct(
                    [
                        ("a", pa.list_(pa.list_(pa.int16()))),
                        ("b", pa.struct([("c", pa.int32())])),
                    ]
                ),
            ),
        }
    )


def main():
    for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
        write(f"chats-{codec}", chats(), compression=codec, row_group_size=17)
    write(
        "chats-v2",
        chats(),
        data_page_version="2.0",
        data_page_size=64,
        compression="zstd",
    )
    write("chats-old-lists", chats(), use_compliant_nested_type=False)
    write("kinds", kinds(), row_group_size=11)
    write(
        "kinds-v2",
        kinds(),
        data_page_version="2.0",
        data_page_size=32,
        use_dictionary=False,
    )
    deltas = {
        "text": "DELTA_BYTE_ARRAY",
        "large": "DELTA_LENGTH_BYTE_ARRAY",
        "int32": "DELTA_BINARY_PACKED",
        "int64": "DELTA_BINARY_PACKED",
        "float": "BYTE_STREAM_SPLIT",
        "double": "BYTE_STREAM_SPLIT",
        "bool": "RLE",
    }
    write(
        "kinds-deltas",
        kinds(),
        use_dictionary=False,
        column_encoding=deltas,
        write_page_checksum=True,
    )
    write("empty", chats().slice(0, 0))

    refused = {
        "timestamp": pa.array([datetime.datetime(2024, 1, 1)], pa.timestamp("us")),
        "date": pa.array([datetime.date(2024, 1, 1)], pa.date32()),
        "time": pa.array([datetime.time(1)], pa.time64("us")),
        "decimal": pa.array([decimal.Decimal("1.5")], pa.decimal128(5, 2)),
        "binary": pa.array([b"\x00\xff"], pa.binary()),
        "fixed": pa.array([b"1234"], pa.binary(4)),
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
        "image": pa.array(
            [{"bytes": b"\x89PNG", "path": "a.png"}],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        ),
    }
    for name, column in refused.items():
        write(
            f"refused-{name}", pa.table({"prompt": ["a"], name: column}), expected=False
        )
    values = pa.table({"prompt": ["a", "b", "c"], "score": [1.5, math.nan, math.inf]})
    write("bad-values", values, expected=False)


main()
