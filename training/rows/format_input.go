package rows

import (
	"fmt"
	"slices"
	"unicode"

	"github.com/cogniverse/cogflow/training/rows/charset"
	"github.com/cogniverse/cogflow/training/rows/fieldname"
	"github.com/cogniverse/cogflow/training/rows/plain"
	"github.com/cogniverse/cogflow/training/rows/secret"
)

// RowInput is a row that is being converted to canonical rows.
type RowInput struct {
	Fields     []Field
	Notes      []RowError  // warnings, which do not drop the row
	Images     Images      // nil = rows with images are refused
	References []Reference // images that the row names, in the order in which they were read
	textOnly   bool        // messages may not have images
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
	if err == nil && plain.IsBlank(text) {
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
	if plain.IsBlank(text) {
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
	if reason, fix := charset.Escaped([]byte(text)); reason != "" {
		return &RowError{Code: "encoding", Field: name, Reason: reason, Fix: fix}
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
	if kind := secret.Kind(text); kind != "" {
		in.note("secret", name, "the text seems to have "+kind, "take it out: a model repeats what it was trained on")
	}
	if lost := charset.Misread(text); lost != "" {
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
		if have.key != key && fieldname.Similar(have.key, key) {
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
	case "images", "image":
		if empty {
			return nil
		}
		return &RowError{Code: "unsupported", Field: field, Reason: "images are not trained in this format", Fix: "write messages or prompt and completion (sft), or query and image (embedding)"}
	case "tools", "tool_calls", "tool_call_id", "functions", "function_call", "videos", "audios", "audio":
		if empty {
			return nil
		}
		return &RowError{Code: "unsupported", Field: field, Reason: "tools and media are not trained", Fix: "remove the field, or the row"}
	case keyTag:
		if empty {
			return nil
		}
		return &RowError{Code: "unsupported", Field: field, Reason: "the answer is rated, and only kto learns from ratings", Fix: "train with kto, or remove the field"}
	case KeyLabel:
		if good, known := ratingOf(raw); known && !good && !isNumber(raw) {
			in.note("rated_bad", field, "the answer is rated bad, and it is learned like the others", "train with kto, or remove the row")
			return nil
		}
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
