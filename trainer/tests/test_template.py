"""What a chat template is given: the variables of the job, and its clock."""

import json
import shutil

import jobs as make
import pytest
from process import attempt, on_another_day
from test_kill import checkpoints, differences, losses
from transformers import AutoTokenizer

from trainer import job as jobs
from trainer.dpo import Method as DPO
from trainer.sft import Method as SFT

# A header as SmolLM3 and Llama 3.2 write it: a date, a mode, and tools.
TEMPLATE = """\
{%- set today = date_string if date_string is defined else strftime_now("%d %B %Y") -%}
{%- set thinks = enable_thinking | default(true) -%}
{{- "<|im_start|>system\\nToday: " ~ today ~ "\\nMode: " ~ ("think" if thinks else "answer") -}}
{%- for tool in tools or [] -%}{{- "\\nTool: " ~ tool.name -}}{%- endfor -%}
{{- "<|im_end|>\\n" -}}
{%- for m in messages -%}
{{- "<|im_start|>" ~ m.role ~ "\\n" -}}
{%- if m.role == "assistant" -%}
{%- generation -%}
{{- ("" if thinks else "<think></think>") ~ m.content ~ "<|im_end|>" -}}
{%- endgeneration -%}
{{- "\\n" -}}
{%- else -%}
{{- m.content ~ "<|im_end|>\\n" -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- "<|im_start|>assistant\\n" -}}{%- endif -%}
"""
CLOCK = "2026-11-28T23:59:30Z"
MESSAGES = [{"role": "user", "content": "red"}, {"role": "assistant", "content": "green"}]
PAIR = {"prompt": MESSAGES[:1], "chosen": MESSAGES[1:], "rejected": MESSAGES[1:]}


@pytest.fixture(scope="module")
def dated(tmp_path_factory, random_model):
    """A model whose template reads the clock."""
    folder = shutil.copytree(random_model, tmp_path_factory.mktemp("dated") / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


def seen(folder, model, method, row, **changes):
    """The text of the first row as it is trained on, and of the question in the report."""
    changes = {"max_seq_length": 256, "clock": CLOCK, **changes}
    d = make.document(folder, model, "sft" if method is SFT else "dpo", [row], **changes)
    m = method(jobs.parse(json.dumps(d)))
    m.prepare([row], [row])
    first = m._train[0]
    ids = first.get("input_ids") or first["prompt_ids"] + first["chosen_ids"]
    return m._tokenizer.decode(ids), m._tokenizer.decode(m._questions[0].ids)


@pytest.mark.parametrize("assistant_only", [False, True])
def test_variables_reach_every_use_of_the_template(tmp_path, dated, assistant_only):
    given = {"enable_thinking": False, "tools": [{"name": "look_up"}]}
    for method, row in ((SFT, {"messages": MESSAGES}), (DPO, PAIR)):
        only = {"assistant_only_loss": assistant_only} if method is SFT else {}
        texts = seen(tmp_path, dated, method, row, chat_template_kwargs=given, **only)
        for text in texts:
            assert "Mode: answer" in text and "Tool: look_up" in text
            assert "Today: 28 November 2026" in text
        assert "<think></think>green" in texts[0]
        texts = seen(tmp_path, dated, method, row, **only)
        assert all("Mode: think" in text and "Tool" not in text for text in texts)


def test_date_of_the_job_is_that_of_its_settings_or_of_its_clock(tmp_path, dated, monkeypatch):
    row = {"messages": MESSAGES}
    for text in seen(tmp_path, dated, SFT, row, chat_template_kwargs={"date_string": "1 May"}):
        assert "Today: 1 May\n" in text
    for text in seen(tmp_path, dated, SFT, row, clock="2024-02-29T00:00:00+00:00"):
        assert "Today: 29 February 2024\n" in text
    on_another_day(monkeypatch.setattr)
    for text in seen(tmp_path, dated, SFT, row):
        assert "Today: 28 November 2026\n" in text
    for text in seen(tmp_path, dated, SFT, row, clock=""):  # a job of an earlier build
        assert "Today: 04 March 2031\n" in text


def test_resume_on_another_day_gives_equal_weights(tmp_path, dated):
    def document(folder, **changes):
        rows = make.chats(6), make.chats(2, 40)
        shape = {"max_seq_length": 128, "epochs": 2, "save_steps": 2, "checkpoint_seconds": 1e6}
        return make.document(folder, dated, "sft", *rows, **shape | changes)

    def resumed(name, **changes):
        """Killed in step 3, continued on another day."""
        first, second = tmp_path / name / "first", tmp_path / name / "second"
        assert attempt(document(first, **changes), kill=("step", 3))[0] == -9
        shutil.copytree(first / "work/checkpoints/00000002", second / "carried/00000002")
        code, events = attempt(
            document(second, resume=str(second / "carried/00000002"), **changes),
            patch="on_another_day",
        )
        assert code == 0, (second / "work/stderr.txt").read_text()
        return second / "work", events

    whole = tmp_path / "whole"
    code, events = attempt(document(whole, clock=CLOCK))
    assert code == 0, (whole / "work/stderr.txt").read_text()
    work, second = resumed("pinned", clock=CLOCK)
    assert differences(work, second, whole / "work", events) == []
    assert losses(second)[4] == losses(events)[4]
    # The comparison would find it: a job of an earlier build has no clock.
    work, second = resumed("without")
    assert "weights.safetensors" in differences(work, second, whole / "work", events)
    assert checkpoints(work)
