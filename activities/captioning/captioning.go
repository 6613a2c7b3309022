// Package captioning holds what every activity that has pictures described shares: which answers
// are captions, and what a call may cost. It calls no model, and knows no video.
package captioning

import (
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
)

// Reserver is a describer whose calls are charged by tokens.
type Reserver interface {
	// Reserve is the maximum charge of a call of the stage about a number of pictures, in
	// micro-USD; priced false = the model is charged per call, as the stage says.
	Reserve(s video.Stage, pictures int) (microUSD int64, priced bool)
}

// Cost is the maximum that a call about a number of pictures can be charged, which is reserved. If
// the model is charged by tokens, the cost in the stage is an estimate, and may be of a build that
// reserved too little.
func Cost(describer any, s video.Stage, pictures int) (microUSD int64, unpriced bool) {
	if d, ok := describer.(Reserver); ok {
		if most, priced := d.Reserve(s, pictures); priced {
			return most, false
		}
	}
	return s.CostMicroUSD, s.Unpriced
}

// Check refuses an invalid caption: an empty answer, or the error texts that Cogniverse's service
// returned in place of descriptions. It is paid for.
func Check(c video.Caption) error {
	text := strings.TrimSpace(c.Text)
	if text == "" || strings.HasPrefix(text, "Error:") {
		reason := outcome.Unreadable
		if text == "" {
			reason = outcome.Empty
		}
		return money.Charge(&outcome.UnusableError{Reason: reason, Sample: text, Err: fault.New(fault.Transport, "describe frame with", c.Model,
			"the model answered no caption: "+strconv.Quote(text))}, c.CostMicroUSD)
	}
	return nil
}
