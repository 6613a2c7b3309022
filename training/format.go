package training

import (
	"slices"
	"strings"
)

// Format is how a dataset says its rows.
type Format string

// The formats. Rows of another are refused, whichever the first rows have.
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
	FormatTriplet    Format = "triplet"             // embedding: {anchor, positive, negative}
	FormatPair       Format = "anchor_positive"     // embedding: {anchor, positive}
	FormatQuery      Format = "query_pos_neg"       // embedding: {query, pos: [], neg: []}
)

// Formats returns all formats.
func Formats() []Format {
	return []Format{
		FormatPrompt, FormatMessages, FormatText, FormatChatML, FormatInstruction, FormatAlpaca, FormatShareGPT,
		FormatPreference, FormatPairGPT, FormatTriplet, FormatPair, FormatQuery,
	}
}

// Method is what rows of the format train with; empty for an unknown format.
func (f Format) Method() Method {
	switch f {
	case FormatPrompt, FormatMessages, FormatText, FormatChatML, FormatInstruction, FormatAlpaca, FormatShareGPT:
		return SFT
	case FormatPreference, FormatPairGPT:
		return DPO
	case FormatTriplet, FormatPair, FormatQuery:
		return Embedding
	default:
		return ""
	}
}

// knownFields of rows of the format, beside "metadata".
func (f Format) knownFields() []string {
	switch f {
	case FormatPrompt:
		return []string{keyPrompt, keyCompletion, "system"}
	case FormatMessages:
		return []string{keyMessages}
	case FormatText, FormatChatML, FormatInstruction:
		return []string{keyText}
	case FormatAlpaca:
		return []string{"instruction", "input", "output", "system", "history"}
	case FormatShareGPT:
		return []string{"conversations", "system"}
	case FormatPreference:
		return []string{keyPrompt, keyChosen, keyRejected, "system"}
	case FormatPairGPT:
		return []string{"conversations", keyChosen, keyRejected, "system"}
	case FormatTriplet, FormatPair:
		return []string{keyAnchor, keyPositive, keyNegative}
	case FormatQuery:
		return []string{"query", "pos", "neg"}
	default:
		return nil
	}
}

// formatOf tells the format of one row by its fields; "" if they fit none.
func formatOf(in *rowInput) Format {
	has := func(keys ...string) bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return in.get(key) == nil })
	}
	switch {
	case has("conversations") && (has(keyChosen) || has(keyRejected)):
		return FormatPairGPT
	case has("conversations"):
		return FormatShareGPT
	case has(keyChosen) || has(keyRejected):
		return FormatPreference
	case has(keyMessages):
		return FormatMessages
	case has(keyAnchor) && has(keyNegative), has(keyPositive, keyNegative):
		return FormatTriplet
	case has(keyAnchor), has(keyPositive):
		return FormatPair
	case has("query", "pos"):
		return FormatQuery
	case has("instruction", "output"):
		return FormatAlpaca
	case has(keyPrompt, keyCompletion):
		return FormatPrompt
	case has(keyText):
		return textFormat(in.get(keyText))
	default:
		return ""
	}
}

func textFormat(raw []byte) Format {
	text, _ := jsonText(raw)
	switch {
	case strings.HasPrefix(strings.TrimSpace(text), chatStart):
		return FormatChatML
	case strings.HasPrefix(strings.TrimSpace(text), instructionMark):
		return FormatInstruction
	default:
		return FormatText
	}
}
