// Package vlm has vision-language models write captions: any that speak
// OpenAI's chat protocol, and Cogniverse's own VLM service. What a model writes
// is data. Nothing in it is ever interpreted, and what is no caption (an error
// text, an empty answer, half an answer) is a fault and never one.
package vlm

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/video"
)

const op = "describe frame"

// DefaultPrompt is what Cogniverse's service asks when nobody says otherwise.
const DefaultPrompt = "Provide a detailed description of this video frame, including objects, people, actions, scene setting, and visual details."

// Options of an endpoint.
type Options struct {
	URL              string // OpenAI: the base that ends in /v1; Cogniverse: see NewCogniverse
	Key, KeyVariable string // bearer token, and the variable it came from
	Timeout          time.Duration
	MaxInFlight      int // calls at once; 0 = discovered
	Batch            int // Cogniverse: frames a call; 0 or 1 = one
	InputUSDPerMTok  float64
	OutputUSDPerMTok float64
}

func (o Options) client() *answer.Client {
	return answer.New(answer.Options{Op: op, Key: o.Key, KeyVariable: o.KeyVariable, Timeout: o.Timeout})
}

func (o Options) limit() *limit.Limit {
	if o.MaxInFlight > 0 {
		return limit.New(limit.Options{Max: o.MaxInFlight, Fixed: true})
	}
	return limit.New(limit.Options{})
}

// checkText refuses what is no caption. Cogniverse's service put the errors of
// single frames where their descriptions belong.
func checkText(model, text string) (string, error) {
	text = strings.TrimSpace(text)
	bad := func(reason string) error { return fault.New(fault.Transport, op, model, reason) }
	switch lower := strings.ToLower(text); {
	case text == "":
		return "", bad("the answer is empty")
	case strings.HasPrefix(lower, "error:"), strings.HasPrefix(lower, "error processing"):
		return "", bad("the answer is an error: " + strconv.Quote(text[:min(len(text), 300)]))
	case strings.HasPrefix(lower, "<!doctype"), strings.HasPrefix(lower, "<html"):
		return "", bad("the answer is a web page")
	case strings.HasPrefix(text, `{"error"`):
		return "", bad("the answer is an error: " + strconv.Quote(text[:min(len(text), 300)]))
	}
	return strings.ToValidUTF8(text, "�"), nil
}

func caption(s video.Stage, text string) video.Caption {
	return video.Caption{Text: text, Model: s.Model, Revision: s.Revision, CostMicroUSD: s.CostMicroUSD}
}

// cost of tokens in micro-USD: so many dollars a million is so many micro-
// dollars each.
func (o Options) cost(prompt, output int, otherwise int64) int64 {
	if o.InputUSDPerMTok == 0 && o.OutputUSDPerMTok == 0 {
		return otherwise
	}
	return int64(float64(prompt)*o.InputUSDPerMTok + float64(output)*o.OutputUSDPerMTok + 0.5)
}

func dataURI(jpeg []byte) string {
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpeg)
}
