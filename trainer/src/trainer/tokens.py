"""Converts rows to tokens and labels, and counts truncated and dropped rows.

The tokens are those that TRL's own preparation makes (a test compares them). It is done
here because TRL drops rows without saying so and keeps no order to score rows by.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from jinja2 import Environment, TemplateError, meta, nodes
from jinja2.ext import Extension, loopcontrols
from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import get_training_chat_template, has_generation_markers

from .fault import Input
from .job import Job
from .matched import Answer
from .method import Row, Stats

T = TypeVar("T")

PROBES = ("?", "0")  # answers that show what a template writes around any
# What a chat template raises, by itself or by what it computes.
_FAILS = (
    TemplateError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)
IGNORED = -100  # label of a token that the loss does not see


def variables(job: Job) -> dict[str, Any]:
    """What every chat template of a job is given: chat_template_kwargs, and the clock of the job.

    A template that writes the date would otherwise give other tokens after midnight, and a
    resumed run other weights.
    """
    given = dict(job.config.chat_template_kwargs or {})
    if job.clock:
        # A variable takes precedence over the library's function of the same name.
        given["strftime_now"] = datetime.fromisoformat(job.clock).strftime
    return given


class Refused(Input):
    """The model's chat template cannot write this row."""


def each(what: str, rows: list[Row], encode: Callable[[Row], T]) -> list[T]:
    """encode of every row; its refusal names the row."""
    out = []
    for number, row in enumerate(rows, 1):
        try:
            out.append(encode(row))
        except Refused as e:
            raise Input(f"{what} row {number}: {e}") from e
    return out


class Encoder:
    """Turns canonical rows into tokens for one model."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        limit: int,
        assistant_only: bool,
        variables: dict[str, Any] | None = None,
    ):
        """limit is max_seq_length; name is the model's, for messages. variables are what the
        chat template is given beside the conversation, see variables()."""
        self._tokenizer, self._name, self._limit = tokenizer, name, limit
        self._assistant_only, self._template = assistant_only, None
        self._variables = variables or {}

    def sft(self, row: Row) -> tuple[dict[str, list[int]] | None, int]:
        """input_ids and labels of a row, and its length before truncation; None if truncation
        leaves nothing to learn."""
        if "messages" in row:
            ids, counted = self._messages(row["messages"])
        elif "text" in row:
            ids = self._text(self._ended(row["text"]))
            counted = [True] * len(ids)
        elif isinstance(row["prompt"], list):
            ids, counted = self._messages(row["prompt"] + row["completion"])
            common = _common(self.prompt(row["prompt"]), ids)
            counted = [c and i >= common for i, c in enumerate(counted)]
        else:
            start = self._text(row["prompt"])
            ids = self._text(row["prompt"] + self._ended(row["completion"]))
            common = _common(start, ids)
            counted = [False] * common + [True] * (len(ids) - common)
        length, ids = len(ids), ids[: self._limit]
        # Nothing predicts the first token.
        pairs = zip(ids, counted, strict=False)
        labels = [t if c and i else IGNORED for i, (t, c) in enumerate(pairs)]
        if all(label == IGNORED for label in labels):
            return None, length
        return {"input_ids": ids, "labels": labels}, length

    def dpo(self, row: Row, prompt_limit: int) -> tuple[dict[str, list[int]] | None, int, bool]:
        """prompt_ids, chosen_ids and rejected_ids, the length of the longer side before it
        was cut, and whether anything was cut. A prompt above prompt_limit (0 = none) keeps
        its end; None if it leaves no room for an answer."""
        if isinstance(row["prompt"], list):
            start = self._chat(row["prompt"], add_generation_prompt=True)["input_ids"]
            sides = [
                self._chat(row["prompt"] + row[k])["input_ids"] for k in ("chosen", "rejected")
            ]
        else:
            start = self._text(row["prompt"])
            sides = [
                self._text(row["prompt"] + self._ended(row[k])) for k in ("chosen", "rejected")
            ]
        common = min(_common(start, s) for s in sides)
        prompt, answers = start[:common], [s[common:] for s in sides]
        length = common + max(len(a) for a in answers)
        if prompt_limit:
            prompt = prompt[-prompt_limit:]
        room = self._limit - len(prompt)
        if room <= 0 or not all(answers):
            return None, length, False
        cut = len(prompt) < common or any(len(a) > room for a in answers)
        chosen, rejected = (a[:room] for a in answers)
        return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}, length, cut

    def kto(self, row: Row) -> tuple[dict[str, Any] | None, int]:
        """prompt_ids, completion_ids and label of a row, not cut, and its length; None if the
        prompt leaves no room for an answer."""
        if isinstance(row["prompt"], list):
            start = self.prompt(row["prompt"])
            whole = self.chat(row["prompt"] + row["completion"])
        else:
            start = self._text(row["prompt"])
            whole = self._text(row["prompt"] + self._ended(row["completion"]))
        common = _common(start, whole)
        if common >= min(self._limit, len(whole)):
            return None, len(whole)
        ids = {"prompt_ids": whole[:common], "completion_ids": whole[common:]}
        return {**ids, "label": row["label"]}, len(whole)

    def question(self, row: Row) -> tuple[list[int], int] | None:
        """The tokens of a row up to its answer, and how many the expected answer has; None for
        a row that asks nothing, or that max_seq_length leaves no room for an answer."""
        if "text" in row:
            return None
        if "messages" in row:
            asked = row["messages"][:-1]
            whole = self._chat(row["messages"])["input_ids"]
        else:
            asked = row["prompt"]
            answer = row["chosen"] if "chosen" in row else row["completion"]
            chat = isinstance(asked, list)
            whole = self._chat(asked + answer)["input_ids"] if chat else self._text(asked + answer)
        ids = self.prompt(asked)
        expected = len(whole) - len(ids)
        return (ids, expected) if ids and 0 < expected and len(ids) < self._limit else None

    def prompt(self, asked: str | list[dict[str, Any]]) -> list[int]:
        """The tokens of a prompt, up to where an answer begins."""
        if isinstance(asked, str):
            return self._text(asked)
        return self._chat(asked, add_generation_prompt=True)["input_ids"]

    def chat(self, messages: list[dict[str, Any]]) -> list[int]:
        """The tokens of a conversation, not cut."""
        return self._chat(messages)["input_ids"]

    def answer(self, row: Row) -> Answer | None:
        """The last answer that a row teaches, without what the template writes around it, and the
        tokens before it; None for a row that asks nothing, or whose answer is cut off."""
        if "text" in row:
            return None
        if "messages" in row or isinstance(row["prompt"], list):
            messages = row.get("messages") or row["prompt"] + row["completion"]
            last = max((i for i, m in enumerate(messages) if _learned(m)), default=None)
            if last is None:
                return None
            asked, said = messages[:last], messages[last]
            ids = self._chat([*asked, said])["input_ids"]
            start = end = len(ids)
            for probe in PROBES:
                if start + end < len(ids):
                    break
                other = self._chat([*asked, {**said, "content": probe}])["input_ids"]
                start, end = _common(other, ids), _common(other[::-1], ids[::-1])
        else:
            ids = self._text(row["prompt"] + row["completion"])
            start, end = _common(self._text(row["prompt"]), ids), 0
        head, tokens = ids[:start], ids[start : len(ids) - end]
        tokens = tokens[: max(0, self._limit - len(head))]
        return Answer(head, tokens) if head and tokens else None

    def unread(self) -> tuple[list[str], list[str]]:
        """The variables of the job that the chat template does not read, and those it reads."""
        if not self._variables or not self._tokenizer.chat_template:
            return [], []
        known = Environment(extensions=[_Marked, loopcontrols], autoescape=True)  # only parsed
        try:
            read = meta.find_undeclared_variables(known.parse(self._own_template()))
        except TemplateError:
            return [], []  # the rows say what is wrong with it
        own = sorted(read - {"messages", "add_generation_prompt", "strftime_now"})
        return sorted(self._variables.keys() - read - {"strftime_now"}), own

    def _text(self, text: str) -> list[int]:
        return self._tokenizer(text=text)["input_ids"]

    def _ended(self, text: str) -> str:
        end = self._tokenizer.eos_token
        return text if text.endswith(end) else text + end

    def _messages(self, messages: list[dict[str, Any]]) -> tuple[list[int], list[bool]]:
        weighted = any("weight" in m for m in messages)
        if not self._assistant_only and not weighted:
            ids = self._chat(messages)["input_ids"]
            return ids, [True] * len(ids)
        if self._template is None:
            self._template = self._marked_template()
        out = self._chat(messages, chat_template=self._template, return_assistant_tokens_mask=True)
        counted = [bool(x) for x in out["assistant_masks"]]
        return out["input_ids"], self._weighted(messages, counted) if weighted else counted

    def _weighted(self, messages: list[dict[str, Any]], counted: list[bool]) -> list[bool]:
        """Without the answers that have the weight 0."""
        answers = [m for m in messages if m["role"] == "assistant"]
        begins = [i for i, c in enumerate(counted) if c and not (i and counted[i - 1])]
        if len(begins) != len(answers):
            raise Refused(
                f"weight: the chat template of {self._name} writes {len(begins)} answers of "
                f"{len(answers)}, so the one with weight 0 cannot be told from the others"
            )
        out = list(counted)
        for m, begin, end in zip(answers, begins, [*begins[1:], len(counted)], strict=True):
            if "weight" in m:
                out[begin:end] = [False] * (end - begin)
        return out

    def _marked_template(self) -> str:
        """A chat template that marks the assistant's tokens: the model's own, or
        the one that TRL has for it."""
        own = self._own_template()
        if has_generation_markers(own):
            return own
        try:
            return get_training_chat_template(self._tokenizer)
        except (ValueError, TemplateError) as e:
            raise Input(
                f"assistant_only_loss or weight: the chat template of {self._name} does not mark "
                "what the assistant says ({% generation %}), and TRL knows no marked form of it; "
                "set assistant_only_loss to false and remove the weights, or add the markers to "
                "the model's chat template"
            ) from e

    def _own_template(self) -> str:
        template = self._tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template:
            raise Input(
                f"the tokenizer of {self._name} has no chat template, so conversations cannot be "
                "written as it expects them; use prompt/completion rows or an instruct model"
            )
        return template

    def pictures(self, row: Row, ids: list[int]) -> list[str]:
        """The images of a row whose tokens are in the beginning of its sequence."""
        return []

    def _message(self, m: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(m["content"], str):
            raise Refused(
                f"it has an image, and {self._name} reads only text; use a vision-language model "
                "as base, such as Qwen/Qwen2-VL-7B-Instruct, or remove the images"
            )
        return {"role": m["role"], "content": m["content"]}

    def _chat(self, messages: list[dict[str, Any]], **options: Any) -> dict[str, list[int]]:
        self._own_template()
        messages = [self._message(m) for m in messages]
        try:
            return self._tokenizer.apply_chat_template(
                messages, **self._variables, tokenize=True, return_dict=True, **options
            )
        except _FAILS as e:
            why = f"{type(e).__name__} {e}" if isinstance(e, LookupError) else e
            raise Refused(f"the chat template of {self._name} refuses a conversation: {why}") from e


class _Marked(Extension):
    """Reads the marks around what the assistant says, which are transformers' own."""

    tags: ClassVar = {"generation"}

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        said = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(said, lineno=line)


def text_of(content: str | list[dict[str, str]]) -> str:
    """The text of a message, which may have images."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common: a prompt alone may end in another
    token than the same prompt with its answer."""
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n


def _learned(message: dict[str, Any]) -> bool:
    return message["role"] == "assistant" and message.get("weight") != 0


Pairs = list[tuple[Row, Any]]  # rows and what became of them; None = no answer is left


def check_dropped(job: Job, train: Pairs, held_out: Pairs) -> None:
    """Refuse more rows without a remaining answer than the job allows.

    A job that goes on from a checkpoint passed this at its start, or was begun without it.
    """
    may = job.may_drop
    if may is None or job.resume:
        return
    sides = [("training", train, may.train), ("held-out", held_out, may.eval)]
    if may.eval is None:
        sides = [("training and held-out", train + held_out, may.train)]
    for what, pairs, allowed in sides:
        gone = [row for row, encoded in pairs if encoded is None]
        if len(gone) > allowed:
            raise Input(
                f"max_seq_length {job.config.max_seq_length} leaves nothing of the answer of "
                f"{len(gone)} of {len(pairs)} {what} rows, and allow_dropped permits {allowed}; "
                f"the first begins with {_beginning(gone[0])}; raise max_seq_length, shorten the "
                "rows, or raise allow_dropped"
            )


def _beginning(row: Row) -> str:
    words = row.get("messages") or row.get("prompt") or row.get("text") or ""
    text = words if isinstance(words, str) else text_of(words[0]["content"])
    return json.dumps(text[:60], ensure_ascii=False)


def tally(
    lengths: list[int],
    tokens: int,
    truncated: int,
    dropped: int,
    eval_rows: int,
    eval_tokens: int,
    eval_dropped: int = 0,
) -> Stats:
    """Stats of the rows of training; lengths are those before truncation."""
    ordered = sorted(lengths)

    def percentile(p: int) -> int:
        return ordered[min(len(ordered) - 1, (len(ordered) * p) // 100)] if ordered else 0

    return Stats(
        rows=len(lengths),
        eval_rows=eval_rows,
        eval_tokens=eval_tokens,
        tokens=tokens,
        p50=percentile(50),
        p90=percentile(90),
        p99=percentile(99),
        max=ordered[-1] if ordered else 0,
        truncated=truncated,
        dropped=dropped,
        eval_dropped=eval_dropped,
    )
