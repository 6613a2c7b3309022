"""What is wrong with rows once the model's tokenizer and chat template have formatted them.

The worker checks what can be seen without a model. This module finds what only tokens show.
An error is a row that cannot be trained on; a warning is a row that teaches something else
than its author is likely to expect.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from transformers import PreTrainedTokenizerBase

from .job import Config
from .method import ERROR, WARNING, Finding, Row
from .tokens import Encoder, Refused, text_of

SHOWN = 8  # rows that a report of one kind of finding names
TEXT = 480  # bytes of a text in a report

REFUSED = "template_refuses"


def check(
    method: str,
    encoder: Encoder,
    tokenizer: PreTrainedTokenizerBase,
    config: Config,
    rows: list[Row],
) -> list[Finding]:
    """All findings of rows for sft, dpo or kto, by row."""
    return _Causal(method, encoder, tokenizer, config).check(rows)


def grouped(file: str, found: list[Finding], step: int = 1) -> list[dict[str, Any]]:
    """One report for each kind of finding. step is the distance of the checked rows in file."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for f in found:
        kinds.setdefault((f.severity, f.code), []).append(f)
    out = []
    for (severity, code), some in kinds.items():
        first, rows = some[0], list(dict.fromkeys(f.row for f in some if f.row is not None))
        report = {"file": file, "severity": severity, "code": code, "reason": _short(first.reason)}
        report |= {k: _short(v) for k, v in (("field", first.field), ("fix", first.fix)) if v}
        out.append({**report, "count": len(rows), "rows": [r * step + 1 for r in rows[:SHOWN]]})
    return out


def _short(text: str) -> str:
    return text.encode()[:TEXT].decode(errors="ignore")


class _Causal:
    def __init__(
        self, method: str, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, config: Config
    ):
        self._method, self._encoder, self._tokenizer = method, encoder, tokenizer
        self._limit, self._prompt_limit = config.max_seq_length, config.max_prompt_length
        self._special = _special(tokenizer)
        self._ends = self._whole = 0  # rows that teach the end token, rows that are not cut

    def check(self, rows: list[Row]) -> list[Finding]:
        out = list(self._unread()) if any(_chat(row) for row in rows) else []
        for i, row in enumerate(rows):
            try:
                out += self._row(i, row)
            except Refused as e:
                out.append(Finding(i, ERROR, REFUSED, str(e), "", _REFUSED))
        if self._whole and not self._ends and not any(f.code == REFUSED for f in out):
            end = self._tokenizer.eos_token
            reason = f"no row teaches {end}, at which the model stops: its answers would not end"
            fix = f"use a model whose chat template ends an answer with {end}"
            out.append(Finding(None, WARNING, "end_not_learned", reason, "", fix))
        return out

    def _unread(self) -> Iterator[Finding]:
        """Variables that would change nothing, which is not what their author expects."""
        names, known = self._encoder.unread()
        if names:
            reason = f"the model's chat template does not read {', '.join(names)}"
            fix = f"it reads {', '.join(known)}; use one of these, or remove {', '.join(names)}"
            if not known:
                fix = f"it reads no variable; remove {', '.join(names)}"
            field = "chat_template_kwargs"
            yield Finding(None, WARNING, "variable_not_read", reason, field, fix)

    def _row(self, i: int, row: Row) -> Iterator[Finding]:
        if self._method == "dpo":
            yield from self._pair(i, row)
        elif self._method == "kto":
            yield from self._rated(i, row)
        else:
            yield from self._answer(i, row)
        if "text" in row:
            return  # a text is what its author formatted
        for field, text in _texts(row):
            if isinstance(row[field.partition("[")[0]], str) and field != "prompt":
                text = text.removesuffix(self._tokenizer.eos_token)  # it is not added again
            yield from _control(i, field, text, self._special)

    def _answer(self, i: int, row: Row) -> Iterator[Finding]:
        encoded, length = self._encoder.sft(row)
        first, last = self._starts(row) if length > self._limit else (0, 0)
        if encoded is None or first >= self._limit:
            reason = f"no part of an answer is within max_seq_length {self._limit}"
            if length <= self._limit:
                reason = "once it is formatted, it has nothing to learn"
            elif first < self._limit:
                reason = f"max_seq_length {self._limit} cuts an image"
            yield Finding(i, ERROR, "nothing_to_learn", reason, "", _SHORTEN)
            return
        if last >= self._limit:
            reason = f"max_seq_length {self._limit} cuts the conversation before its last answer"
            yield Finding(i, WARNING, "answer_cut", reason, "messages", _SHORTEN)
        elif length <= self._limit:
            self._whole += 1
            self._ends += self._tokenizer.eos_token_id in encoded["labels"]
        yield from self._doubled(i, encoded["input_ids"], "", row)
        if "messages" in row:
            yield from self._left_out(i, row["messages"], "messages", encoded["input_ids"], length)
        elif _chat(row):
            said = row["prompt"] + row["completion"]
            yield from self._left_out(i, said, "prompt + completion", encoded["input_ids"], length)

    def _rated(self, i: int, row: Row) -> Iterator[Finding]:
        encoded, length = self._encoder.kto(row)
        if encoded is None:
            reason = f"no part of an answer is within max_seq_length {self._limit}"
            if length <= self._limit:
                reason = "once it is formatted, it has nothing to learn"
            yield Finding(i, ERROR, "nothing_to_learn", reason, "", _SHORTEN)
            return
        ids = (encoded["prompt_ids"] + encoded["completion_ids"])[: self._limit]
        if length <= self._limit:
            self._whole += 1
            self._ends += self._tokenizer.eos_token_id in encoded["completion_ids"]
        yield from self._doubled(i, ids, "completion", row)
        if isinstance(row["completion"], list):
            said = row["prompt"] + row["completion"]
            yield from self._left_out(i, said, "completion", ids, length)

    def _pair(self, i: int, row: Row) -> Iterator[Finding]:
        encoded, length, cut = self._encoder.dpo(row, self._prompt_limit)
        if encoded is None:
            reason = f"no part of an answer is within max_seq_length {self._limit}"
            yield Finding(i, ERROR, "nothing_to_learn", reason, "", _SHORTEN)
            return
        if encoded["chosen_ids"] == encoded["rejected_ids"]:
            when = f"cut to max_seq_length {self._limit}" if cut else "formatted"
            reason = f"once it is {when}, it equals chosen: nothing is preferred"
            yield Finding(
                i, ERROR, "same_answers", reason, "rejected", _SHORTEN if cut else _REWRITE
            )
            return
        if not cut:
            self._whole += 1
            self._ends += self._tokenizer.eos_token_id in encoded["chosen_ids"]
        for key in ("chosen", "rejected"):
            ids = encoded["prompt_ids"] + encoded[f"{key}_ids"]
            yield from self._doubled(i, ids, key, row)
            if isinstance(row[key], list):
                said = row["prompt"] + row[key]
                yield from self._left_out(i, said, key, ids, length)

    def _starts(self, row: Row) -> tuple[int, int]:
        """Where the first and the last answer begin, in tokens."""
        if "text" in row:
            return 0, 0
        if "messages" not in row:
            start = len(self._encoder.prompt(row["prompt"]))
            return start, start
        said = row["messages"]
        at = [k for k, m in enumerate(said) if m["role"] == "assistant"]
        starts = [
            len(self._encoder.prompt(said[:k])) if k else 0 for k in dict.fromkeys((at[0], at[-1]))
        ]
        return starts[0], starts[-1]

    def _doubled(self, i: int, ids: list[int], field: str, row: Row) -> Iterator[Finding]:
        """A begin token at the beginning, or an end token at the end, that is there twice: the
        row brings one, and tokenizer or template add another, or these write two."""
        begin, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        tail = itertools.islice((t for t in reversed(ids) if t == end or not self._blank(t)), 2)
        for twice, name, code in (
            (begin is not None and ids[:2] == [begin, begin], "bos_token", "double_begin"),
            (list(tail) == [end, end], "eos_token", "double_end"),
        ):
            if twice:
                token = getattr(self._tokenizer, name)
                reason, fix = (
                    "the row has one, and another is added",
                    f"remove {token} from the row",
                )
                if not any(token in text for _, text in _texts(row)):
                    reason = "the tokenizer or the chat template writes it twice"
                    fix = "use a model whose tokenizer and chat template write it once"
                reason = f"{token} is there twice: {reason}"
                yield Finding(i, WARNING, code, reason, field, fix)

    def _blank(self, token: int) -> bool:
        return not self._tokenizer.decode([token]).strip()

    def _left_out(
        self, i: int, said: list[dict[str, Any]], field: str, ids: list[int], length: int
    ) -> Iterator[Finding]:
        """Messages, or their thinking, that the template does not write."""
        if length > len(ids):
            ids = self._encoder.chat(said)
        shown = _bare(self._tokenizer.decode(ids))
        twice = _TWICE in shown and not any(_TWICE in _bare(m["content"]) for m in said)
        for k, m in enumerate(said):
            where = f"{field}[{k}]"
            if twice and m["role"] == "assistant" and _bare(m["content"]).startswith("<think>"):
                reason = (
                    "the chat template writes empty thinking before the thinking of this answer"
                )
                yield Finding(i, WARNING, "thinking_doubled", reason, where, _THINK)
            if self._shown(text_of(m["content"]), shown):
                continue
            rest = _without_thinking(text_of(m["content"]))
            if m["role"] == "assistant" and rest and all(self._shown(r, shown) for r in rest):
                reason = "the chat template leaves out the thinking of this answer"
                fix = _SPLIT if k < len(said) - 1 else _UNTHINK
                yield Finding(i, WARNING, "thinking_left_out", reason, where, fix)
            else:
                reason = f"the chat template does not write this message of the {m['role']}"
                yield Finding(i, WARNING, "message_left_out", reason, where, _PUT)

    def _shown(self, text: str, shown: str) -> bool:
        """Whether a formatted conversation has a text, as it is or as tokens spell it."""
        if _bare(text) in shown:
            return True
        ids = self._tokenizer(text=text, add_special_tokens=False)["input_ids"]
        return _bare(self._tokenizer.decode(ids)) in shown


_REFUSED = "write it as the chat template of the model expects it, or remove the row"
_SHORTEN = "shorten the row, or raise max_seq_length"
_REWRITE = "give another answer, or remove the row"
_PUT = "put its text into the message of the user, or use another model"
_THINK = "remove the thinking, or let the template think (enable_thinking in chat_template_kwargs)"
_TWICE = "</think><think>"
_SPLIT = "end a row with this answer, so that its thinking is learned"
_UNTHINK = "remove the thinking, or use another model"
# How chat templates mark turns. Some tokenizers have no token of their own for that.
_MARK = re.compile(
    r"<\|[A-Za-z0-9_ -]{1,40}\|>|<\uff5c[^\uff5c<>]{1,30}\uff5c>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
)


def embedding(
    tokenizer: PreTrainedTokenizerBase, limit: int, prompts: dict[str, str], rows: list[Row]
) -> list[Finding]:
    """Texts that are equal once they are formatted and cut, and control tokens in them."""
    out: list[Finding] = []
    special = _special(tokenizer)
    for i, row in enumerate(rows):
        for key, text in row.items():
            out += _control(i, key, text, special)
        seen: dict[tuple[int, ...], str] = {}
        for key in (k for k in ("anchor", "positive", "negative") if k in row):
            whole = tokenizer(row[key], verbose=False)["input_ids"]
            start = tokenizer(prompts.get(key, ""), add_special_tokens=False)["input_ids"]
            room = max(0, limit - len(start))
            other = seen.setdefault(tuple(whole[:room]), key)
            if other == key:
                continue
            when = f"cut to {limit} tokens" if len(whole) > room else "in the model's tokens"
            reason = f"it equals {other} once it is {when}: there is nothing to learn"
            fix = _SHORTEN if len(whole) > room else "give another text, or remove the row"
            out.append(Finding(i, ERROR, "same_texts", reason, key, fix))
            break
    return out


def _chat(row: Row) -> bool:
    return "messages" in row or isinstance(row.get("prompt"), list)


def _control(i: int, field: str, text: str, special: list[str]) -> Iterator[Finding]:
    if token := next((t for t in special if t in text), None):
        reason = f"the text has {token}, which the model reads as a control token"
        fix = "remove it, or write it in another way"
        yield Finding(i, WARNING, "special_token", reason, field, fix)


def _special(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The control tokens of a tokenizer and the marks of its chat template, longest first. Tokens
    that are spelled like words are none: some tokenizers list them to keep them whole."""
    known = set(tokenizer.all_special_tokens)
    known |= {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
    if isinstance(tokenizer.chat_template, str):
        known |= set(_MARK.findall(tokenizer.chat_template))
    return sorted((t for t in known if t.strip() and not t.isalnum()), key=lambda t: (-len(t), t))


def _texts(row: Row) -> Iterator[tuple[str, str]]:
    for key, value in row.items():
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, list):
            for k, m in enumerate(value):
                yield f"{key}[{k}]", text_of(m["content"])


def _without_thinking(text: str) -> list[str]:
    """What an answer has beside its thinking; empty without thinking."""
    before, found, behind = text.partition("<think>")
    _, closed, rest = behind.partition("</think>")
    return [before, rest] if found and closed else []


def _bare(text: str) -> str:
    """A text without white space, which templates strip and add."""
    return "".join(text.split())
