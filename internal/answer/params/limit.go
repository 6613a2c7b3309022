package params

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/money"
)

// MaxTokens returns the max_tokens of a request to a model: at most the maximum that the model has
// named in a refusal, and accepted. It is remembered for this process.
func (e *Endpoint) MaxTokens(name string, tokens int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if most := e.model(name).most; most > 0 {
		return min(tokens, most)
	}
	return tokens
}

// Lower returns the maximum of max_tokens that a refusal of a request with a larger one names. A
// refusal that was billed is one call in the ledger, and the next request is another.
func Lower(sent int, err error) (most int, ok bool) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Class != fault.Input || money.IsCharged(err) {
		return 0, false
	}
	most, ok = answer.OutputLimit(f.Reason)
	return most, ok && most < sent
}

// Lowered records a maximum with which a request was answered. A message alone is no proof of one:
// it can repeat words of the request.
func (e *Endpoint) Lowered(name string, most int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.model(name).most = most
}
