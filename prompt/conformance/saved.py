"""Reads programs; prints the files that DSPy's save writes for each, in every form,
after an optimizer changed the instructions and demos that the input names."""

import base64
import json
import logging
import pathlib
import sys
import tempfile

import dspy
from build import inner, program
from build import row as typed


def main():
    logging.disable(logging.WARNING)
    out = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for row in json.load(sys.stdin):
            module = program(row["program"])
            for p in row["program"]["predictors"]:
                predict = inner(
                    module if p["name"] == "self" else getattr(module, p["name"])
                )
                if row.get("instructions"):
                    predict.signature = predict.signature.with_instructions(
                        row["instructions"]
                    )
                names = [*predict.signature.fields, "augmented", "dspy_uuid"]
                predict.demos = [
                    dspy.Example(**typed(p, {k: v for k, v in d.items() if k in names}))
                    for d in row.get("demos") or []
                ]
            module.save(folder / "program.json")
            module.save(folder / "program.pkl")
            module.save(folder / "whole", save_program=True)
            out.append(
                {
                    "file": (folder / "program.json").read_text(),
                    "state": json.dumps(module.dump_state()),
                    "pickles": [
                        base64.b64encode(path.read_bytes()).decode()
                        for path in (
                            folder / "program.pkl",
                            folder / "whole" / "program.pkl",
                        )
                    ],
                }
            )
    json.dump(out, sys.stdout)


main()
