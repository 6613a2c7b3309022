package rows

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/agnivade/levenshtein"
)

// RowInput is a row that is being converted to canonical rows.
type RowInput struct {
	Fields []Field
	Notes  []RowError // warnings, which do not drop the row
}

// get returns the value of a field; nil if it is missing or null.
func (in *RowInput) get(key string) []byte {
	for _, f := range in.Fields {
		if f.key == key && !isNull(f.value) {
			return f.value
		}
	}
	return nil
}

// required returns a text that must not be blank.
func (in *RowInput) required(key string) (string, error) {
	raw := in.get(key)
	if raw == nil {
		return "", in.missing(key)
	}
	text, err := in.text(key, raw)
	if err == nil && isBlank(text) {
		return "", blank(key, "the text")
	}
	return text, err
}

// optional returns a text, or "" if it is missing or blank.
func (in *RowInput) optional(key string) (string, error) {
	raw := in.get(key)
	if raw == nil {
		return "", nil
	}
	text, err := in.text(key, raw)
	if isBlank(text) {
		text = ""
	}
	return text, err
}

func (in *RowInput) text(name string, raw []byte) (string, error) {
	text, ok := jsonText(raw)
	if !ok {
		return "", wrongType(name, "a text", raw)
	}
	if halfPair(text, raw) {
		return "", &RowError{Code: "encoding", Field: name, Reason: `a \u escape is half of a surrogate pair`, Fix: "write the character itself in UTF-8"}
	}
	return text, in.checkText(name, text)
}

func (in *RowInput) note(code, field, reason, fix string) {
	in.Notes = append(in.Notes, RowError{Code: code, Field: field, Reason: reason, Fix: fix})
}

// checkText checks the characters of a text.
func (in *RowInput) checkText(name, text string) error {
	if f := escaped([]byte(text)); f != nil {
		f.Field = name
		return f
	}
	for _, r := range text {
		switch {
		case r == 0:
			return &RowError{Code: "control_character", Field: name, Reason: "the text has a NUL", Fix: "remove it; it indicates damaged or binary data"}
		case r == unicode.ReplacementChar:
			in.note("replaced_character", name, "the text has U+FFFD, the mark of a character that an earlier conversion lost", "convert the original again")
			return nil
		case unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t':
			in.note("control_character", name, fmt.Sprintf("the text has the control character U+%04X", r), "take it out unless the model should learn to write it")
			return nil
		}
	}
	if kind := Secret(text); kind != "" {
		in.note("secret", name, "the text seems to have "+kind, "take it out: a model repeats what it was trained on")
	}
	if lost := misread(text); lost != "" {
		in.note("double_encoded", name, fmt.Sprintf("the text has %q: UTF-8 that was read as Windows-1252", lost), "convert the original again")
	}
	if name == KeyText {
		return in.checkBegin(name, text) // its author formatted it
	}
	return in.checkMarks(name, text)
}

func wrongType(name, want string, raw []byte) *RowError {
	return &RowError{Code: "wrong_type", Field: name, Reason: "must be " + want + ", not " + jsonKind(raw), Fix: "write " + want}
}

func blank(name, what string) *RowError {
	return &RowError{Code: "empty", Field: name, Reason: what + " is empty or white space, or has only invisible characters", Fix: "fill it in, or remove the row"}
}

// missing reports that a field is missing, and which other one may be meant.
func (in *RowInput) missing(key string) *RowError {
	f := &RowError{Code: "missing_field", Field: key, Reason: "the field is missing", Fix: "add it, or remove the row"}
	for _, have := range in.Fields {
		if have.key == key {
			f.Reason = "the field is null"
		}
		if have.key != key && similar(have.key, key) {
			f.Fix = fmt.Sprintf("is %s meant? Rename it", quotedName(have.key))
		}
	}
	return f
}

// unknown checks the fields that the format does not have.
func (in *RowInput) unknown(known []string) error {
	for _, f := range in.Fields {
		if slices.Contains(known, f.key) {
			continue
		}
		if err := in.other(shortName(f.key), f.key, f.value); err != nil {
			return err
		}
	}
	return nil
}

// other handles one unknown field: it is left out with a warning, unless that would change
// the meaning of the row.
func (in *RowInput) other(field, key string, raw []byte) error {
	empty := isNull(raw) || len(raw) == 2 // "", [], {}
	switch key {
	case "metadata":
		return nil
	case "tools", "tool_calls", "tool_call_id", "functions", "function_call", "images", "image", "videos", "audios", "audio", "kto_tag":
		if empty {
			return nil
		}
		return &RowError{Code: "unsupported", Field: field, Reason: "tools, media and KTO labels are not trained", Fix: "remove the field, or the row"}
	case "chat_template_kwargs":
		if empty {
			return nil
		}
		return &RowError{
			Code: "unsupported", Field: field, Reason: "a row has no variables of the chat template",
			Fix: "remove the field, and set chat_template_kwargs of the run, which holds for all rows",
		}
	case "weight":
		if string(raw) == "1" || string(raw) == "1.0" || empty {
			return nil
		}
		return &RowError{Code: "weight", Field: field, Reason: "a row has no weight; only an answer of a conversation has one", Fix: "remove the field and repeat a row that should count more, or remove the row"}
	case "reasoning_content", "reasoning", "thinking":
		if !empty {
			in.note("thinking_field", field, "the thinking is left out", "write it into the content, as <think>…</think>, if the model should learn it")
		}
		return nil
	}
	if isNull(raw) {
		return nil
	}
	in.note("unknown_field", field, "the field is not known and is left out", `put what belongs to the row but is not trained on into "metadata"`)
	return nil
}

// similar reports whether a may be a misspelling of b, or another usual name of it.
func similar(a, b string) bool {
	for _, names := range [][]string{
		{"completion", "response", "output", "answer", "target"},
		{"prompt", "question", "input", "query", "instruction"},
		{"chosen", "preferred", "accepted", "preferred_output"},
		{"rejected", "dispreferred", "non_preferred_output"},
		{"anchor", "query", "sentence1"},
		{"positive", "pos", "sentence2"},
		{"negative", "neg", "hard_negative", "sentence3"},
		{"text", "content"},
	} {
		if slices.Contains(names, strings.ToLower(a)) && names[0] == b {
			return true
		}
	}
	return len(a) <= maxQuoted && a != b && levenshtein.ComputeDistance(strings.ToLower(a), b) <= 2
}
