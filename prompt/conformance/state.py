"""Reads programs with a file that Go wrote; prints their prompts after DSPy's
load, and files that DSPy's save wrote, with the prompts of what was saved."""

import json
import logging
import pathlib
import sys
import tempfile

import dspy
from build import inner, program
from build import row as typed


def prompts(spec, module, inputs):
    """The request of each predictor, with texts as its inputs."""
    out = []
    inputs = typed(spec, inputs)
    for p in spec["predictors"]:
        predict = inner(module if p["name"] == "self" else getattr(module, p["name"]))
        out.append(dspy.ChatAdapter().format(predict.signature, predict.demos, inputs))
    return out


def change(spec, module, row):
    """Changes a program as an optimizer would."""
    for p in spec["predictors"]:
        predict = inner(module if p["name"] == "self" else getattr(module, p["name"]))
        predict.signature = predict.signature.with_instructions(row["instructions"])
        name = p["outputs"][-1]["name"]
        predict.signature = predict.signature.with_updated_fields(
            name, desc="changed: " + name
        )
        predict.demos = [dspy.Example(**typed(p, d)) for d in row.get("demos") or []]


def main():
    logging.disable(logging.WARNING)
    out = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "program.json"
        for row in json.load(sys.stdin):
            spec = row["program"]
            loaded = program(spec)
            path.write_text(row["file"])
            loaded.load(path)
            bare = program(spec)
            bare.load_state(json.loads(row["state"]))
            changed = program(spec)
            change(spec, changed, row)
            changed.save(path)
            out.append(
                {
                    "loaded": prompts(spec, loaded, row["inputs"]),
                    "bare": prompts(spec, bare, row["inputs"]),
                    "resaved": json.dumps(loaded.dump_state(), ensure_ascii=False),
                    "file": path.read_text(),
                    "state": json.dumps(changed.dump_state(), ensure_ascii=False),
                    "changed": prompts(spec, changed, row["inputs"]),
                }
            )
    json.dump(out, sys.stdout, ensure_ascii=False)


main()
