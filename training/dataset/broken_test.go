package dataset

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// broken is a dataset that cannot be trained on, and the one thing to say about it.
type broken struct {
	name, text string
	want       string // how the problem reads
	code       string
	method     training.Method // empty = that of the rows
	eval       string
	o          CheckOptions
}

const (
	goodPrompt  = `{"prompt": "a", "completion": "b"}` + "\n"
	goodPair    = `{"prompt": "a", "chosen": "b", "rejected": "c"}` + "\n"
	goodTriplet = `{"anchor": "a", "positive": "b", "negative": "c"}` + "\n"
	goodChat    = `{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}` + "\n"
)

func chat(messages string) string { return goodChat + `{"messages": [` + messages + `]}` }

const (
	asks    = `{"role": "user", "content": "a"}`
	answers = `{"role": "assistant", "content": "b"}`
	directs = `{"role": "system", "content": "s"}`
)

func brokenFiles() []broken {
	return []broken{
		{name: "nothing", text: "", code: "empty_file", want: "it has no rows"},
		{name: "blank", text: "\ufeff \n\n\t\n", code: "empty_file", want: "it has no rows"},
		{name: "empty array", text: " [ ] ", code: "no_rows", want: "no row is left"},
		{name: "UTF-16", text: wide("\ufeff" + goodPrompt), code: "encoding", want: "it is encoded as UTF-16LE; save it as UTF-8, for example by: iconv -f UTF-16LE -t UTF-8"},
		{name: "UTF-16 without mark", text: wide(goodPrompt), code: "encoding", want: "it is encoded as UTF-16LE"},
		{name: "gzip", text: "\x1f\x8b\x08\x00\x00", code: "not_json", want: "it is a gzip file; unpack it"},
		{name: "parquet", text: "PAR1\x15\x04", code: "parquet_corrupt", want: "the Parquet file cannot be read: it is cut off or damaged; write the file again"},
		{name: "text", text: "question 1,answer\na,b\n", code: "not_json", want: `line 1: it is neither JSON lines nor a JSON array: it begins with "q"`},
		{name: "CSV row with a column too many", text: "prompt,completion\na,b\nc,d,e\n", code: "columns", want: "line 3, row 2: the number of its cells is 3; the first line names 2 columns"},
		{name: "CSV with an open quote", text: "prompt,completion\na,b\n\"c,d\ne,f\n", code: "csv_quote", want: "line 3, row 2: a cell in double quotes does not end"},
		{name: "TSV without an answer", text: "prompt\tcompletion\na\t\n", code: "empty", want: `line 2, row 1, field "completion": the text is empty`},
		{name: "array cut between rows", text: "[" + strings.TrimSpace(goodPrompt) + ",\n", code: "truncated_json", want: "line 2, row 1: the closing ] is missing"},
		{name: "array cut within a row", text: "[\n" + strings.TrimSpace(goodPrompt) + ",\n" + `{"prompt": "a`, code: "truncated_json", want: "line 3, row 2: the file ends within this row"},
		{name: "array without comma", text: "[" + goodPrompt + goodPrompt + "]", code: "syntax", want: `line 2, row 1: expected , or ] after the row, found "{"`},
		{name: "array with comma too many", text: "[" + strings.TrimSpace(goodPrompt) + ",]", code: "syntax", want: "there is a comma, but no row behind it"},
		{name: "two arrays", text: "[" + strings.TrimSpace(goodPrompt) + "]\n[]", code: "trailing_data", want: `line 2, row 1: there is more behind the array: "["`},
		{name: "an array a line", text: `["a", "b"]` + "\n" + `["c", "d"]`, code: "trailing_data", want: "there is more behind the array"},
		{name: "row too long", text: goodPrompt + `{"prompt": "` + strings.Repeat("x", 10<<20) + `", "completion": "b"}` + "\n", code: "row_too_long", want: "line 2: the row is longer than 8 MiB; the rest was not read"},
		{name: "too many rows", text: strings.Repeat(goodPrompt, 3), o: CheckOptions{MaxRows: 2}, code: "too_many_rows", want: "line 3: it has more than 2 rows"},
		{name: "unknown fields", text: `{"question": "a", "answer": "b"}`, code: "unknown_format", want: `line 1: its fields (question, answer) fit no format; for the format prompt_completion rename "question" to "prompt" and "answer" to "completion"`},
		{name: "no fields", text: `{}`, code: "unknown_format", want: "the row has no fields"},
		{name: "other format", text: strings.Repeat(goodPrompt, 3) + goodChat, code: "mixed_format", want: "line 4: the row is of the format messages, the first rows are of prompt_completion"},
		{name: "other kind", text: strings.Repeat(goodPair, 3) + `{"prompt": [` + asks + `], "chosen": "b", "rejected": "c"}`, code: "mixed_format", want: "line 4: the row has prompt (messages), chosen (messages), rejected (messages), the first rows have prompt, chosen, rejected"},

		{name: "not UTF-8", text: goodPrompt + "{\"prompt\": \"caf\xe9\", \"completion\": \"b\"}", code: "encoding", want: "line 2: byte 16 is not UTF-8; the row looks like Windows-1252 (Latin-1); save it as UTF-8"},
		{name: "NUL", text: goodPrompt + "{\"prompt\": \"\x00\", \"completion\": \"b\"}", code: "encoding", want: "line 2: byte 13 is NUL"},
		{name: "escaped NUL", text: goodPrompt + `{"prompt": "\u0000", "completion": "b"}`, code: "control_character", want: `line 2, field "prompt": the text has a NUL`},
		{name: "half a pair", text: goodPrompt + `{"prompt": "\ud83d", "completion": "b"}`, code: "encoding", want: `field "prompt": a \u escape is half of a surrogate pair`},
		{name: "cut line", text: goodPrompt + `{"prompt": "a", "comp`, code: "truncated_json", want: "line 2: the JSON object is not closed; the file is cut off within its last line: write it again"},
		{name: "pretty-printed", text: "{\n" + `"prompt": "a", "completion": "b"}` + "\n", code: "not_json", want: "line 1: a JSON object begins on this line and continues on the next lines; put each object on one line"},
		{name: "NaN", text: goodPrompt + `{"prompt": "a", "completion": "b", "metadata": {"score": NaN}}`, code: "syntax", want: "JSON has no NaN and no Infinity"},
		{name: "two rows a line", text: goodPrompt + strings.TrimSpace(goodPrompt) + goodPrompt, code: "syntax", want: "line 2: invalid character '{' after top-level value"},
		{name: "error on a line of its own", text: "[{\"prompt\": \"a\",\n\"completion\": b}]", code: "syntax", want: "line 2, row 1: invalid character 'b'"},
		{name: "key twice", text: goodPrompt + `{"prompt": "a", "prompt": "b", "completion": "b"}`, code: "duplicate_key", want: `line 2, field "prompt": the key is listed twice; keep one`},
		{name: "key twice within", text: chat(`{"role": "user", "content": "a", "\u0072ole": "user"}, ` + answers), code: "duplicate_key", want: `line 2, field "messages[0].role": the key is listed twice`},
		{name: "list", text: goodPrompt + `["a", "b"]`, code: "wrong_type", want: "line 2: must be an object, not a list"},
		{name: "number", text: goodPrompt + `{"prompt": "a", "completion": 4}`, code: "wrong_type", want: `line 2, field "completion": must be a text, not a number; write a text`},
		{name: "missing", text: goodPrompt + `{"prompt": "a"}`, code: "missing_field", want: `line 2, field "completion": the field is missing; add it`},
		{name: "slip", text: goodPrompt + `{"prompt": "a", "completoin": "b"}`, code: "missing_field", want: `is "completoin" meant? Rename it`},
		{name: "null", text: goodPrompt + `{"prompt": "a", "completion": null}`, code: "missing_field", want: `field "completion": the field is null`},
		{name: "empty prompt", text: goodPrompt + `{"prompt": "", "completion": "b"}`, code: "empty", want: `field "prompt": the text is empty or white space`},
		{name: "white answer", text: goodPrompt + `{"prompt": "a", "completion": " \n\t "}`, code: "empty", want: `field "completion": the text is empty or white space`},
		{name: "empty text", text: `{"text": "a"}` + "\n" + `{"text": ""}`, code: "empty", want: `line 2, field "text": the text is empty`},
		{name: "empty response", text: `{"text": "### Instruction:\na\n\n### Response:\n"}`, code: "empty", want: "what follows ### Response: is empty"},
		{name: "no response", text: `{"text": "### Instruction:\na"}`, code: "no_assistant", want: `there is no "### Response:"`},
		{name: "empty alpaca output", text: `{"instruction": "a", "input": "", "output": ""}`, code: "empty", want: `line 1, field "output"`},

		{name: "no messages", text: chat(""), code: "empty", want: `line 2, field "messages": there are no messages`},
		{name: "no assistant", text: chat(asks), code: "no_assistant", want: `field "messages": the assistant says nothing`},
		{name: "empty assistant", text: chat(asks + `, {"role": "assistant", "content": "  "}`), code: "empty", want: `field "messages[1]": the message of the assistant is empty`},
		{name: "system late", text: chat(asks + "," + directs + "," + answers), code: "roles", want: `field "messages[1]": a system message comes later than first`},
		{name: "assistant first", text: chat(answers + "," + asks + "," + answers), code: "roles", want: `field "messages[0]": must be a message of the user, not of the assistant`},
		{name: "user twice", text: chat(asks + "," + asks + "," + answers), code: "roles", want: `field "messages[1]": must be a message of the assistant, not of the user`},
		{name: "user last", text: chat(asks + "," + answers + "," + asks), code: "roles", want: `field "messages[2]": the last message is of the user`},
		{name: "unknown role", text: chat(asks + `, {"role": "oracle", "content": "b"}`), code: "role", want: `unknown role "oracle"`},
		{name: "no role", text: chat(asks + `, {"content": "b"}`), code: "missing_field", want: `field "messages[1].role": the message has no role`},
		{name: "tool", text: chat(asks + `, {"role": "tool", "content": "b"}`), code: "role", want: `the role "tool" is not supported`},
		{name: "tools", text: goodChat + `{"messages": [` + asks + "," + answers + `], "tools": [{}]}`, code: "unsupported", want: `line 2, field "tools": tools and media are not trained`},
		{name: "template variables", text: goodChat + `{"messages": [` + asks + "," + answers + `], "chat_template_kwargs": {"enable_thinking": false}}`, code: "unsupported", want: `line 2, field "chat_template_kwargs": a row has no variables of the chat template`},
		{name: "picture", text: chat(`{"role": "user", "content": [{"type": "image_url"}]}, ` + answers), code: "image", want: `field "messages[0].content": the part has no image_url`},
		{name: "sound", text: chat(`{"role": "user", "content": [{"type": "input_audio"}]}, ` + answers), code: "unsupported", want: `field "messages[0].content": a part of the message is neither text nor image`},
		{name: "message is text", text: chat(`"hello"`), code: "wrong_type", want: `field "messages[0]": must be a message, not a text`},
		{name: "ChatML not closed", text: `{"text": "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb"}`, code: "chatml", want: `field "text[1]": the message is not closed; end each message with <|im_end|>`},
		{name: "ChatML without answer", text: `{"text": "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"}`, code: "chatml", want: "the text ends where the assistant should speak"},

		{name: "chosen = rejected", text: goodPair + `{"prompt": "a", "chosen": "b", "rejected": "b "}`, code: "same_answers", want: `line 2, field "rejected": it equals chosen`},
		{name: "chosen = rejected, messages", text: `[{"conversations": [{"from": "human", "value": "a"}], "chosen": {"from": "gpt", "value": "b"}, "rejected": {"from": "gpt", "value": "b"}}]`, code: "same_answers", want: "it equals chosen"},
		{name: "pair ends with answer", text: `[{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "x"}], "chosen": {"from": "gpt", "value": "b"}, "rejected": {"from": "gpt", "value": "c"}}]`, code: "roles", want: `field "conversations": it does not end with a question of the user`},
		{name: "no rejected", text: goodPair + `{"prompt": "a", "chosen": "b"}`, code: "missing_field", want: `line 2, field "rejected": the field is missing`},
		{name: "anchor = negative", text: goodTriplet + `{"anchor": "a", "positive": "b", "negative": "a"}`, code: "same_texts", want: `line 2, field "negative": it equals anchor`},
		{name: "anchor = positive", text: goodTriplet + `{"anchor": "a", "positive": "a", "negative": "b"}`, code: "same_texts", want: `line 2, field "positive": it equals anchor`},
		{name: "no negative", text: goodTriplet + `{"anchor": "a", "positive": "b"}`, code: "missing_field", want: `line 2, field "negative": the field is missing`},

		{name: "SFT from pairs", text: goodPair, method: training.SFT, code: "wrong_method", want: `rows of the format preference train with dpo, not with sft; train with dpo, or write {"prompt", "completion"}`},
		{name: "DPO from answers", text: goodPrompt, method: training.DPO, code: "wrong_method", want: "train with sft, or add a worse answer to each row"},
		{name: "triplets from pairs", text: goodPair, method: training.Embedding, code: "wrong_method", want: `write {"anchor", "positive", "negative"} with the prompt`},
		{name: "too few for auto", text: goodPrompt, method: "auto", code: "too_few_rows", want: "too little to choose a method: 0 of 20 preference pairs (DPO), 1 of 50 examples (SFT)"},
		{name: "held out twice", text: goodPrompt, eval: goodPrompt, code: "leak", want: "line 1: the same row is trained on (line 1 of d)"},
		{name: "other rows held out", text: goodPrompt, eval: goodPair, code: "wrong_method", want: "its rows (preference) serve dpo, those that are trained on sft"},
	}
}

func wide(s string) string {
	var out strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		out.WriteByte(byte(u))
		out.WriteByte(byte(u >> 8))
	}
	return out.String()
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(brokenFiles()), 25)
	for _, c := range brokenFiles() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := c.o
			o.Name, o.EvalName = "d", "e"
			switch c.method {
			case "":
				if format, err := rows.DetectFormat(tableOf(c.text), ""); err == nil {
					o.Method = format.Method()
				}
			case "auto":
			default:
				o.Method = c.method
			}
			got, err := prepare(t, o, c.text, c.eval)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "check dataset")
			assert.Equal(t, fault.Input, fault.ClassOf(err))
			assert.False(t, got.check.OK)
			assert.Empty(t, got.train+got.held)
			assert.Equal(t, 1, got.check.Errors, "one clear error: %v", err)
			require.NotEmpty(t, got.check.Problems)
			assert.Equal(t, c.code, got.check.Problems[0].Code)
			assert.NotContains(t, err.Error(), "\n")
			assert.Less(t, len(err.Error()), 500)
		})
	}
}
