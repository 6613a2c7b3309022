package vlm

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
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

// Reserve is the maximum charge of a call of the stage about a number of pictures, in
// micro-USD; priced false = the model has no token price.
func (d *OpenAI) Reserve(s video.Stage, pictures int) (microUSD int64, priced bool) {
	price := d.options.price(s.Model)
	if price == nil {
		return 0, false
	}
	return s.DescribeBounds(pictures).Reserved(*price), true
}

// Describe writes the caption of one frame, or of the stills of one segment or shot. Parameters that the model refuses are omitted.
func (d *OpenAI) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	full, err := d.request(r)
	if err != nil {
		return video.Caption{}, money.NeverSent(err)
	}
	most := r.Stage.DescribeBounds(len(r.Pictures()))
	bill := answer.Bill(chat.Bill(d.options.price(r.Stage.Model), most))
	said, err := params.Ask(ctx, d.params, r.Stage.Model, func(without params.Set) ([]byte, params.Set, error) {
		return chat.Fit(d.params, r.Stage.Model, full.without(without).Request, func(sent chat.Request) ([]byte, error) {
			body, err := json.Marshal(sent)
			if err != nil {
				return nil, money.NeverSent(fault.Wrap(fault.Input, op, r.Stage.Model, err))
			}
			call := answer.Call{URL: d.options.URL + "/chat/completions", Body: body, Bill: bill, Assemble: chat.Assemble}
			return answer.Measure(d.limit, func() ([]byte, error) { return d.client.Ask(ctx, call) })
		})
	})
	if err != nil {
		return video.Caption{}, named(explain(r.Stage.Model, err))
	}
	out, err := d.read(r.Stage, most, said)
	return out, bill.Charge(said, err)
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
