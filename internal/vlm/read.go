package vlm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

type structured struct {
	Caption  string   `json:"caption"`
	OnScreen string   `json:"on_screen_text"`
	Objects  []string `json:"objects"`
	Actions  []string `json:"actions"`
}

// redact removes keys, also those that are split across the texts.
func (s *structured) redact(r *safetext.Redactor) {
	all := slices.Concat([]string{s.Caption, s.OnScreen}, s.Objects, s.Actions)
	for i, text := range all {
		all[i] = shown(text)
	}
	all = r.Parts(all)
	s.Caption, s.OnScreen, all = all[0], all[1], all[2:]
	s.Objects, s.Actions = all[:len(s.Objects)], all[len(s.Objects):]
}

// read reads the caption in an answer. Only a complete text is a caption. The text of an
// incomplete one is returned with its error: recipes of earlier builds use it.
func (d *OpenAI) read(s video.Stage, most money.Request, body []byte) (video.Caption, error) {
	said, err := chat.Read(d.client.Redactor(), body)
	if err != nil {
		return video.Caption{}, unusable(fault.Transport, outcome.Unreadable, s.Model, err.Error(), "")
	}
	settled := most.Settle(said.Usage, said.Written)
	out := caption(s, prompt.Spoken(said.Text))
	out.PromptTokens, out.OutputTokens = settled.Input, settled.Output
	price := d.options.price(s.Model)
	if price != nil {
		out.CostMicroUSD = price.Cost(settled.Input, settled.Output)
	}
	if limit := s.MaxAnswer(); limit > 0 && !settled.Estimated && settled.Output >= limit && (said.Finish == "" || said.Finish == outcome.FinishStop && !ended(out.Text)) {
		said.Finish = outcome.FinishLength // litellm#25825: some servers do not say that max_tokens cut the answer
	}
	failed := d.incomplete(s, said, out.Text, settled)
	switch {
	case failed == nil:
		failed = d.fill(s, &out)
	case s.Structured || outcome.Of(said.Finish) == outcome.Filter:
		out.Text = ""
	default:
		_ = d.fill(s, &out) // it leaves no text if there is none; the answer has failed already
	}
	if failed != nil && price != nil && !settled.Estimated {
		failed = money.Charge(failed, out.CostMicroUSD)
	}
	return out, failed
}

// incomplete says why an answer does not have a whole text, by its finish_reason and its parts;
// nil = it does, or it is empty.
func (d *OpenAI) incomplete(s video.Stage, said chat.Answer, text string, settled money.Settled) error {
	bad := func(reason outcome.Reason, why, sample string) error {
		return unusable(fault.Input, reason, s.Model, why, sample)
	}
	const open = "the model was cut off within its thoughts; raise max_tokens in the profile, or serve it without thinking"
	switch reason := outcome.Of(said.Finish); {
	case reason == outcome.Filter:
		return bad(reason, "the model's filter refuses this frame", text)
	case reason == outcome.Truncated && text == "":
		return bad(reason, open, said.Text)
	case reason == outcome.Truncated:
		after := ""
		if !settled.Estimated {
			after = fmt.Sprintf(" after %d tokens", settled.Output)
		}
		return bad(reason, "max_tokens cut the caption off"+after+"; raise max_tokens in the profile", safetext.Tail(text, maxSample))
	case reason == outcome.Refusal, text == "" && said.Refusal != "":
		why := d.client.Redactor().Reply(said.Refusal+text, safetext.MaxReason)
		return bad(outcome.Refusal, "the model refuses this frame: "+why, why)
	case reason == outcome.Other && text != "":
		return bad(reason, "the answer ended with finish_reason "+d.client.Redactor().Reply(said.Finish, 60)+", not with stop", text)
	case text != "":
		return nil
	case said.Text != "":
		return bad(outcome.Empty, open, said.Text)
	case said.Written > 0:
		return bad(cmp.Or(reason, outcome.Empty), "the model wrote thoughts or a tool call and no text; serve it without thinking or tools", "")
	}
	return nil
}

// fill takes the caption out of a complete text.
func (d *OpenAI) fill(s video.Stage, out *video.Caption) error {
	text := out.Text
	if s.Structured && text != "" {
		var parts structured
		if err := json.Unmarshal([]byte(object(text)), &parts); err != nil {
			out.Text = ""
			return unusable(fault.Transport, outcome.Unreadable, s.Model, "the answer is not the JSON that was asked for: "+err.Error(), text)
		}
		parts.redact(d.client.Redactor())
		text, out.OnScreenText = parts.Caption, strings.TrimSpace(parts.OnScreen)
		out.Objects, out.Actions = words(parts.Objects), words(parts.Actions)
	}
	var err error
	out.Text, err = checkText(d.client.Redactor(), s.Model, text)
	return err
}

// checkText refuses texts that are not captions. Cogniverse's service returns the errors of
// single frames in place of their descriptions.
func checkText(r *safetext.Redactor, model, text string) (string, error) {
	text = r.Keys(shown(text))
	text = strings.TrimSpace(text)
	bad := func(reason outcome.Reason, why string) error {
		return unusable(fault.Transport, reason, model, why, "")
	}
	switch lower := strings.ToLower(text); {
	case text == "":
		return "", bad(outcome.Empty, "the answer is empty")
	case strings.HasPrefix(lower, "error:"), strings.HasPrefix(lower, "error processing"):
		return "", bad(outcome.Unreadable, "the answer is an error: "+strconv.Quote(r.Reply(text, 300)))
	case strings.HasPrefix(lower, "<!doctype"), strings.HasPrefix(lower, "<html"):
		return "", bad(outcome.Unreadable, "the answer is a web page")
	case strings.HasPrefix(text, `{"error"`):
		return "", bad(outcome.Unreadable, "the answer is an error: "+strconv.Quote(r.Reply(text, 300)))
	}
	return strings.ToValidUTF8(text, "�"), nil
}

// ended reports whether a text ends with the end of a sentence, or of JSON.
func ended(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimSpace(text))
	return strings.ContainsRune(".!?…。！？।؟\"'”’»)]}*", last)
}

// words trims the entries of a model's list and drops empty ones and duplicates.
func words(list []string) (out []string) {
	for _, w := range list {
		if w = strings.TrimSpace(w); w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

const maxSample = 160 // characters of an example

// unusable is the fault of an answer that is not a caption.
func unusable(class fault.Class, reason outcome.Reason, model, why, sample string) error {
	return &outcome.UnusableError{Reason: reason, Sample: safetext.Line(shown(sample), maxSample), Err: fault.New(class, op, model, why)}
}

// named adds the reason to the failure of a request that the endpoint refuses.
func named(err error) error {
	switch {
	case errors.Is(err, answer.ErrTooLong):
		return &outcome.UnusableError{Reason: outcome.Overflow, Err: err}
	case errors.Is(err, answer.ErrFiltered):
		return &outcome.UnusableError{Reason: outcome.Filter, Err: err}
	}
	return err
}
