package vlm

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// OpenAI describes frames by OpenAI's chat protocol: vLLM, SGLang, Ollama, OpenAI,
// Anthropic's compatible endpoint. Pictures are sent as data URIs, which all of them
// support.
type OpenAI struct {
	options Options
	client  *answer.Client
	limit   *limit.Limit
	params  *params.Endpoint
}

// NewOpenAI makes an OpenAI.
func NewOpenAI(o Options) *OpenAI {
	o.URL = strings.TrimSuffix(o.URL, "/")
	return &OpenAI{options: o, client: o.client(), limit: o.limit(), params: cmp.Or(o.Params, &params.Endpoint{})}
}

// Limit is the concurrency of the endpoint, as far as it is known.
func (d *OpenAI) Limit(string) int { return d.limit.Limit() }

// Reserve is the maximum charge of a call of the stage, in micro-USD; priced
// false = the model has no token price.
func (d *OpenAI) Reserve(s video.Stage) (microUSD int64, priced bool) {
	price := d.options.price(s.Model)
	if price == nil {
		return 0, false
	}
	return s.DescribeBounds().Reserved(*price), true
}

// Describe writes the caption of one frame. Parameters that the model refuses are omitted.
func (d *OpenAI) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	full, err := d.request(r)
	if err != nil {
		return video.Caption{}, money.NeverSent(err)
	}
	bill := answer.Bill(chat.Bill(d.options.price(r.Stage.Model), r.Stage.DescribeBounds()))
	said, err := params.Ask(ctx, d.params, r.Stage.Model, func(without params.Set) ([]byte, params.Set, error) {
		sent := full.without(without)
		body, err := json.Marshal(sent.Request)
		if err != nil {
			return nil, 0, money.NeverSent(fault.Wrap(fault.Input, op, r.Stage.Model, err))
		}
		call := answer.Call{URL: d.options.URL + "/chat/completions", Body: body, Bill: bill, Assemble: chat.Assemble}
		said, err := answer.Measure(d.limit, func() ([]byte, error) { return d.client.Ask(ctx, call) })
		return said, sent.Parameters(), err
	})
	if err != nil {
		return video.Caption{}, explain(r.Stage.Model, err)
	}
	out, err := d.read(r.Stage, said)
	return out, bill.Charge(said, err)
}

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

func (d *OpenAI) read(s video.Stage, body []byte) (video.Caption, error) {
	said, err := chat.Read(d.client.Redactor(), body)
	if err != nil {
		return video.Caption{}, fault.New(fault.Transport, op, s.Model, err.Error())
	}
	settled := s.DescribeBounds().Settle(said.Usage, said.Written)
	price := d.options.price(s.Model)
	billed := func(err error) error {
		if price != nil && !settled.Estimated {
			return money.Charge(err, price.Cost(settled.Input, settled.Output))
		}
		return err
	}
	bad := func(class fault.Class, reason string) (video.Caption, error) {
		return video.Caption{}, billed(fault.New(class, op, s.Model, reason))
	}
	switch said.Finish {
	case string(openai.FinishReasonContentFilter):
		return bad(fault.Input, "the model's filter refuses this frame")
	case string(openai.FinishReasonLength):
		if s.Structured {
			return bad(fault.Input, "the JSON answer was cut at max_tokens; raise it in the profile")
		}
	}
	text := prompt.Spoken(said.Text)
	switch {
	case text != "":
	case said.Refusal != "":
		return bad(fault.Input, "the model refuses this frame: "+d.client.Redactor().Reply(said.Refusal, safetext.MaxReason))
	case said.Text != "", said.Finish == string(openai.FinishReasonLength):
		return bad(fault.Input, "the model was cut off within its thoughts; raise max_tokens in the profile, or serve it without thinking")
	case said.Written > 0:
		return bad(fault.Input, "the model wrote thoughts or a tool call and no text; serve it without thinking or tools")
	}
	out := caption(s, text)
	if s.Structured {
		var parts structured
		if err := json.Unmarshal([]byte(object(text)), &parts); err != nil {
			return bad(fault.Transport, "the answer is not the JSON that was asked for: "+err.Error())
		}
		parts.redact(d.client.Redactor())
		out.Text, out.OnScreenText = parts.Caption, strings.TrimSpace(parts.OnScreen)
		out.Objects, out.Actions = words(parts.Objects), words(parts.Actions)
	}
	text, err = checkText(d.client.Redactor(), s.Model, out.Text)
	if err != nil {
		return video.Caption{}, billed(err)
	}
	out.Text = text
	out.PromptTokens, out.OutputTokens = settled.Input, settled.Output
	if price != nil {
		out.CostMicroUSD = price.Cost(settled.Input, settled.Output)
	}
	return out, nil
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

// Check tests whether the endpoint serves the models.
func (d *OpenAI) Check(ctx context.Context, models []string) error {
	served, err := d.client.Models(ctx, d.options.URL+"/models", nil)
	if err != nil {
		return explain("models", err)
	}
	return answer.CheckServed(served, models)
}

// explain keeps faults of the transport and classifies errors of the library.
func explain(model string, err error) error {
	if fault.ClassOf(err) != "" || err == nil {
		return answer.About(op, model, err)
	}
	return fault.Wrap(fault.Transport, op, model, err)
}
