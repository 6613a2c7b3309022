"""Prints how DSPy writes each case: prompts by both adapters, and the schema."""

import json
import sys

import dspy
from build import inner, predictor, program, row as typed
from cases import RENDER
from dspy.adapters.json_adapter import _get_structured_outputs_response_format


def schema(signature):
    try:
        return _get_structured_outputs_response_format(signature).model_json_schema()
    except ValueError:
        return None  # an object with any keys


def main():
    out = []
    for case in RENDER:
        predict = inner(predictor(case["predictor"]))
        spec = case["predictor"]
        demos = [dspy.Example(**typed(spec, d)) for d in case.get("demos", [])]
        inputs = typed(spec, case["inputs"])
        row = dict(case)
        row["chat"] = dspy.ChatAdapter().format(predict.signature, demos, inputs)
        row["json"] = dspy.JSONAdapter().format(predict.signature, demos, inputs)
        row["schema"] = schema(predict.signature)
        module = program({"predictors": [case["predictor"]]})
        inner(getattr(module, case["predictor"]["name"])).demos = demos
        row["state"] = module.dump_state()
        out.append(row)
    json.dump(out, sys.stdout, ensure_ascii=False)
    print()


main()
