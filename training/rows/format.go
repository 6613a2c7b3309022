package rows

import (
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/training"
)

// Format is the form of a dataset's rows.
type Format string

// The formats. A file has one format; the first rows decide.
const (
	FormatPrompt      Format = "prompt_completion" // {prompt, completion}: texts, or lists of messages
	FormatMessages    Format = "messages"          // {messages: [{role, content}]}
	FormatText        Format = "text"              // {text}
	FormatChatML      Format = "chatml_text"       // {text} with <|im_start|> markers: becomes messages
	FormatInstruction Format = "instruction_text"  // {text} with "### Instruction:": becomes prompt and completion
	FormatAlpaca      Format = "alpaca"            // {instruction, input, output[, system, history]}
	FormatShareGPT    Format = "sharegpt"          // {conversations: [{from, value}]}

	FormatPreference Format = "preference"          // DPO: {prompt, chosen, rejected}: texts, or lists of messages
	FormatPairGPT    Format = "sharegpt_preference" // DPO: {conversations, chosen: {from, value}, rejected}
	FormatRated      Format = "unpaired_preference" // KTO: an answer, as {prompt, completion} or another form of sft, and label: true or false
	FormatTriplet    Format = "triplet"             // embedding: {anchor, positive, negative}
	FormatPair       Format = "anchor_positive"     // embedding: {anchor, positive}
	FormatQuery      Format = "query_pos_neg"       // embedding: {query, pos: [], neg: []}
)

// Formats returns all formats.
func Formats() []Format {
	return []Format{
		FormatPrompt, FormatMessages, FormatText, FormatChatML, FormatInstruction, FormatAlpaca, FormatShareGPT,
		FormatPreference, FormatPairGPT, FormatRated, FormatTriplet, FormatPair, FormatQuery,
	}
}

// Method is the method that rows of the format train; empty for an unknown format.
func (f Format) Method() training.Method {
	switch f {
	case FormatPrompt, FormatMessages, FormatText, FormatChatML, FormatInstruction, FormatAlpaca, FormatShareGPT:
		return training.SFT
	case FormatPreference, FormatPairGPT:
		return training.DPO
	case FormatRated:
		return training.KTO
	case FormatTriplet, FormatPair, FormatQuery:
		return training.Embedding
	default:
		return ""
	}
}

// knownFields are the fields of the format, besides "metadata".
func (f Format) knownFields() []string {
	switch f {
	case FormatPrompt:
		return []string{KeyPrompt, KeyCompletion, "system"}
	case FormatMessages:
		return []string{KeyMessages}
	case FormatText, FormatChatML, FormatInstruction:
		return []string{KeyText}
	case FormatAlpaca:
		return []string{"instruction", "input", "output", "system", "history"}
	case FormatShareGPT:
		return []string{"conversations", "system"}
	case FormatPreference:
		return []string{KeyPrompt, KeyChosen, KeyRejected, "system"}
	case FormatPairGPT:
		return []string{"conversations", KeyChosen, KeyRejected, "system"}
	case FormatRated:
		return []string{KeyPrompt, KeyCompletion, KeyLabel, keyTag}
	case FormatTriplet, FormatPair:
		return []string{KeyAnchor, KeyPositive, KeyNegative}
	case FormatQuery:
		return []string{"query", "pos", "neg"}
	default:
		return nil
	}
}

// FormatOf finds the format of one row by its fields; "" if none matches. A field "label" may
// have another meaning than a rating, so the method that is asked for matters; "" = any.
func FormatOf(in *RowInput, m training.Method) Format {
	has := func(keys ...string) bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return in.get(key) == nil })
	}
	switch {
	case in.rated(m) && !has(KeyChosen) && !has(KeyRejected):
		return FormatRated
	case has("conversations") && (has(KeyChosen) || has(KeyRejected)):
		return FormatPairGPT
	case has("conversations"):
		return FormatShareGPT
	case has(KeyChosen) || has(KeyRejected):
		return FormatPreference
	case has(KeyMessages):
		return FormatMessages
	case in.hasSide(KeyNegative) && (in.hasSide(KeyAnchor) || in.hasSide(KeyPositive)):
		return FormatTriplet
	case in.hasSide(KeyAnchor), in.hasSide(KeyPositive):
		return FormatPair
	case has("query", "pos"):
		return FormatQuery
	case has("instruction", "output"):
		return FormatAlpaca
	case has(KeyPrompt, KeyCompletion):
		return FormatPrompt
	case has(KeyText):
		return textFormat(in.get(KeyText))
	default:
		return ""
	}
}

func textFormat(raw []byte) Format {
	text, _ := jsonText(raw)
	switch {
	case strings.HasPrefix(strings.TrimSpace(text), chatStart):
		return FormatChatML
	case strings.HasPrefix(strings.TrimSpace(text), InstructionMark):
		return FormatInstruction
	default:
		return FormatText
	}
}
