"""Lets the proposer of DSPy's GEPA request a new instruction; prints its messages and
the instruction that it reads from the answer."""

import json
import sys

import dspy
from dspy.teleprompt.gepa.instruction_proposal import InstructionProposer


class Scripted(dspy.BaseLM):
    def __init__(self, text):
        super().__init__(model="scripted", cache=False)
        self.text, self.asked = text, []

    def forward(self, prompt=None, messages=None, **kwargs):
        self.asked.append(messages)
        message = dspy.utils.dummies.dotdict(content=self.text, tool_calls=None)
        return dspy.utils.dummies.dotdict(
            choices=[dspy.utils.dummies.dotdict(message=message, finish_reason="stop")],
            usage=dspy.utils.dummies.dotdict(
                prompt_tokens=0, completion_tokens=0, total_tokens=0
            ),
            model="scripted",
        )


def run(case):
    lm = Scripted(case["answer"])
    proposer = InstructionProposer(adapter=dspy.ChatAdapter())
    with dspy.context(lm=lm):
        new = proposer(
            candidate={"self": case["current"]},
            reflective_dataset={"self": case["examples"]},
            components_to_update=["self"],
        )
    return {"messages": lm.asked[0], "new": new["self"]}


print(json.dumps([run(case) for case in json.load(sys.stdin)]))
