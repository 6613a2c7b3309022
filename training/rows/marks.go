package rows

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cogniverse/cogflow/training/rows/plain"
)

// Control tokens of widespread models. The trainer knows those of the model, a check without
// a model only these.
var controlToken = regexp.MustCompile(
	`<\|[A-Za-z0-9_ -]{1,40}\|>|<｜[^｜<>]{1,30}｜>|<(?:start|end)_of_turn>|\[/?INST\]|</?s>|<(?:bos|eos|pad)>|\[(?:CLS|SEP|MASK|PAD)\]`)

// Tokens that tokenizers or chat templates add at the beginning and at the end of a text.
var (
	beginToken = regexp.MustCompile(`^(?:<s>|<bos>|<\|begin_of_text\|>|<\|startoftext\|>|<｜begin▁of▁sentence｜>|\[CLS\])`)
	endToken   = regexp.MustCompile(`(?:</s>|<eos>|<\|(?:endoftext|im_end|eot_id|end_of_text|end)\|>|<end_of_turn>|<｜end▁of▁sentence｜>|\[SEP\])$`)
)

// checkMarks finds control tokens in a text: the model reads them as the end of a turn or the
// beginning of another.
func (in *RowInput) checkMarks(name, text string) error {
	if !strings.ContainsAny(text, "<[") {
		return nil
	}
	found := controlToken.FindString(text)
	if found == "" {
		return nil
	}
	if plain.IsBlank(controlToken.ReplaceAllString(text, "")) {
		return &RowError{Code: "empty", Field: name, Reason: "the text has only control tokens (" + found + ")", Fix: "write a text, or remove the row"}
	}
	if err := in.checkBegin(name, text); err != nil {
		return err
	}
	body := strings.TrimSpace(text)
	body = body[len(beginToken.FindString(body)):]
	end := endToken.FindString(body)
	if end != "" {
		in.note("double_end", name, fmt.Sprintf("the text ends with %s, and training adds the model's end token", end), "remove it, so that it is not learned twice")
	}
	if found := controlToken.FindString(strings.TrimSuffix(body, end)); found != "" {
		in.note("special_token", name, fmt.Sprintf("the text has %s, a control token of many models", found), "remove it, or write it in another way, unless it is a word of the model's language")
	}
	return nil
}

// checkBegin finds a token that the tokenizer or the chat template adds again.
func (in *RowInput) checkBegin(name, text string) error {
	if found := beginToken.FindString(strings.TrimSpace(text)); found != "" {
		in.note("double_begin", name, fmt.Sprintf("the text begins with %s, which most tokenizers add", found), "remove it, so that it is not there twice")
	}
	return nil
}

const (
	thinkStart = "<think>"
	thinkEnd   = "</think>"
)

// checkThinking notes thinking that most chat templates do not write.
func (in *RowInput) checkThinking(name string, list []Message) {
	last := len(list) - 1
	for i, m := range list {
		field := fmt.Sprintf("%s[%d]", name, i)
		switch {
		case m.Role != RoleAssistant:
		case strings.Count(m.Content, thinkStart) != strings.Count(m.Content, thinkEnd):
			in.note("open_thinking", field, "<think> and </think> do not match", "close the thinking, so that the model learns where the answer begins")
		case i < last && strings.Contains(m.Content, thinkStart):
			in.note("earlier_thinking", field, "most chat templates leave out the thinking of an answer that is not the last", "end a row with each answer whose thinking should be learned")
		}
	}
}
