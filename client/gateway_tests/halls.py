"""A program that a tiny model can learn: its examples, and conversations to train the model on.

python halls.py prints the conversations as DSPy writes them, with up to two demos in front.
"""

import json

COLOURS = ("red", "blue", "green")
INSTRUCTIONS = "Name the colour of the hall."
PROGRAM = {
    "name": "halls",
    "predictors": [
        {
            "name": "answer",
            "module": "predict",
            "instructions": INSTRUCTIONS,
            "inputs": [{"name": "question"}],
            "outputs": [{"name": "colour"}],
        }
    ],
}


def examples(first: int, number: int) -> list[dict[str, str]]:
    """The colour follows from the last word."""
    kinds = [("north", "red"), ("south", "blue"), ("east", "green")]
    return [
        {"question": f"hall {i} in the {kinds[i % 3][0]}", "colour": kinds[i % 3][1]}
        for i in range(first, first + number)
    ]


def conversations() -> None:
    import dspy

    program, adapter = dspy.Signature("question -> colour", INSTRUCTIONS), dspy.ChatAdapter()
    rows = examples(0, 300)
    for i, row in enumerate(rows):
        demos = [rows[(i * 7 + d) % len(rows)] for d in range(i % 3)]
        messages = adapter.format(program, demos, {"question": row["question"]})
        said = adapter.format_assistant_message_content(program, {"colour": row["colour"]})
        print(json.dumps({"messages": [*messages, {"role": "assistant", "content": said}]}))


if __name__ == "__main__":
    conversations()
