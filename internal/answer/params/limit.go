package params

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/money"
)

// MaxTokens returns the max_tokens of a request to a model: at most the maximum that the model has
// named in a refusal. The maximum is remembered for this process.
func (e *Endpoint) MaxTokens(name string, tokens int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if most := e.model(name).most; most > 0 {
		return min(tokens, most)
	}
	return tokens
}

// Lower learns the maximum of max_tokens from a refusal of a request with a larger one. It returns
// whether the next request differs. A refusal that was billed is one call in the ledger, and the
// next request is another.
func (e *Endpoint) Lower(name string, sent int, err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Class != fault.Input || money.IsCharged(err) {
		return false
	}
	most, ok := answer.OutputLimit(f.Reason)
	if !ok || most >= sent {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.model(name).most = most
	return true
}
