"""Prints, for each kind of server, the requests of DSPy after unreadable answers:
the messages and the kind of response format, call by call."""

import contextlib
import json
import logging
import sys

import dspy
from build import program


class Server(dspy.BaseLM):
    def __init__(self, ability, answers):
        super().__init__(model="scripted", cache=False)
        self.ability, self.answers, self.asked = ability, list(answers), []

    @property
    def supported_params(self):
        return {"response_format"} if self.ability.get("json") else set()

    @property
    def supports_response_schema(self):
        return bool(self.ability.get("schema"))

    def forward(self, prompt=None, messages=None, **kwargs):
        form = kwargs.get("response_format")
        kind = (
            ""
            if form is None
            else form["type"]
            if isinstance(form, dict)
            else "json_schema"
        )
        self.asked.append({"messages": messages, "format": kind})
        text = self.answers.pop(0)
        message = dspy.utils.dummies.dotdict(content=text, tool_calls=None)
        return dspy.utils.dummies.dotdict(
            choices=[dspy.utils.dummies.dotdict(message=message, finish_reason="stop")],
            usage=dspy.utils.dummies.dotdict(
                prompt_tokens=0, completion_tokens=0, total_tokens=0
            ),
            model="scripted",
        )


def main():
    logging.disable(logging.CRITICAL)
    out, results = sys.stdout, []
    with contextlib.redirect_stdout(sys.stderr):
        for case in json.load(sys.stdin):
            server = Server(case["server"], case["answers"])
            outputs = None
            with dspy.context(lm=server):
                try:
                    outputs = dict(program(case["program"])(**case["inputs"]).items())
                except Exception as error:
                    print(error, file=sys.stderr)
            results.append(
                {"asked": server.asked, "outputs": outputs, "left": len(server.answers)}
            )
    json.dump(results, out)


main()
