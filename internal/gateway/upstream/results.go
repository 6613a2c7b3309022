package upstream

import (
	"bytes"
	"encoding/json"
)

// results are the parts of answers that callers ask for.
type results struct {
	Choices    json.RawMessage `json:"choices"`
	Data       json.RawMessage `json:"data"`
	Embeddings json.RawMessage `json:"embeddings"` // of servers with several vectors for a text
	Text       json.RawMessage `json:"text"`
	Tokens     json.RawMessage `json:"tokens"`
	Count      json.RawMessage `json:"count"`
}

// lacks names what an answer must have and has not; "" = it is complete.
func (r results) lacks(u Use) string {
	var of []json.RawMessage
	var name string
	switch u.Path {
	case Chat.Path, Completions.Path:
		of, name = []json.RawMessage{r.Choices}, "choices"
	case Embeddings.Path, Pooling.Path:
		of, name = []json.RawMessage{r.Data, r.Embeddings}, "vectors"
	case EmbedPart.Path:
		of, name = []json.RawMessage{r.Embeddings}, "vectors"
	case Transcribe.Path:
		of, name = []json.RawMessage{r.Text}, "text"
	case Tokenize.Path:
		of, name = []json.RawMessage{r.Tokens, r.Count}, "tokens"
	default: // Cogniverse's services have answers of their own
		return ""
	}
	for _, value := range of {
		empty := len(value) > 1 && value[0] == '[' && len(bytes.TrimSpace(value[1:len(value)-1])) == 0
		if len(value) > 0 && string(value) != "null" && !empty {
			return ""
		}
	}
	return name
}
