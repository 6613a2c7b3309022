package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/cogniverse/cogflow/fault"
)

// Sampling is what decides an answer besides the request.
type Sampling struct {
	Model       string   `json:"model"`
	Revision    string   `json:"revision,omitempty"`    // "" = whatever the server runs
	Temperature *float64 `json:"temperature,omitempty"` // nil = the server's own
	MaxTokens   int      `json:"max_tokens,omitempty"`  // 0 = the server's own
	Thinking    *bool    `json:"thinking,omitempty"`    // of models that can leave it out; nil = the model's own
	Stop        []string `json:"stop,omitempty"`        // texts before which the answer ends
	Seed        *int64   `json:"seed,omitempty"`        // of the server's draws; nil = none is sent
	Rollout     int64    `json:"rollout,omitempty"`     // tells apart what would be the same question; the server never sees it
}

// Fingerprint names the answer to a question: equal fingerprints are asked once.
func (r *Request) Fingerprint(s Sampling) (string, error) {
	text, err := json.Marshal(struct {
		Version  int      `json:"version"`
		Request  *Request `json:"request"`
		Sampling Sampling `json:"sampling"`
	}{1, r, s})
	if err != nil {
		return "", fault.Wrap(fault.Input, "name question", s.Model, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
