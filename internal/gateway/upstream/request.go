package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/media"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/strictjson"
)

// Request is what a caller asks of a model.
type Request struct {
	Use     Use
	Model   string
	Stream  bool
	usage   bool // the caller asked for the usage in a stream
	choices int  // of a stream, at least
	tokens  money.Request
	body    func(model string) (body []byte, media string, err error) // with the server's name of the model
}

// deciding are the fields that decide about money. A server may match names in any case, and take
// the last of several: then it would read another request than the one that was checked.
var deciding = []string{"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "best_of"} //nolint:gochecknoglobals // a constant

// decisions are their values.
type decisions struct {
	Model         *string `json:"model"`
	Stream        *bool   `json:"stream"`
	StreamOptions *struct {
		IncludeUsage *bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens           *int `json:"max_tokens"`
	MaxCompletionTokens *int `json:"max_completion_tokens"`
	N                   *int `json:"n"`
	BestOf              *int `json:"best_of"`
}

const (
	maxOutputs  = 128
	maxTokens   = 1 << 20
	imageTokens = 16 << 10 // upper estimate of one image or sound in a request
)

// ReadJSON reads a request of a caller whose body is JSON.
func ReadJSON(u Use, body []byte, c api.Caller) (*Request, error) {
	fields, err := find(body)
	if err != nil {
		return nil, err
	}
	var d decisions
	if err := fields.decode(&d); err != nil {
		return nil, api.Fail(http.StatusBadRequest, "invalid_value", err.Error())
	}
	outputs := 1
	for _, p := range []*int{d.N, d.BestOf} {
		if p != nil {
			outputs = max(outputs, *p)
			if *p < 1 || *p > maxOutputs {
				return nil, api.BadField("n", "n and best_of must be from 1 to "+strconv.Itoa(maxOutputs))
			}
		}
	}
	most := 0
	for _, p := range []*int{d.MaxTokens, d.MaxCompletionTokens} {
		if p != nil {
			most = max(most, *p)
			if *p < 0 || *p > maxTokens {
				return nil, api.BadField("max_tokens", "the number of tokens must be from 0 to "+strconv.Itoa(maxTokens))
			}
		}
	}
	if err := media.Check(body, c.MaxPixels, u.File); err != nil {
		return nil, err
	}
	q := &Request{Use: u, Stream: d.Stream != nil && *d.Stream, choices: 1}
	if d.N != nil {
		q.choices = *d.N
	}
	if q.Stream && !u.streams() {
		return nil, api.BadField("stream", "an answer of "+u.Path+" is not streamed; leave it out")
	}
	if q.Model, err = chosen(d.Model, c.Model); err != nil {
		return nil, err
	}
	q.usage = d.StreamOptions != nil && d.StreamOptions.IncludeUsage != nil && *d.StreamOptions.IncludeUsage
	input := estimate(body)
	q.tokens = money.Request{Input: input, MaxInput: input, MaxOutput: most * outputs}
	if u.Kind != kindComplete {
		q.tokens.MaxOutput = 1 // vectors have no tokens
	}
	q.body = func(model string) ([]byte, string, error) {
		out, err := q.rewrite(body, fields, d, model)
		return out, "application/json", err
	}
	return q, nil
}

// chosen is the model of a request: the one that it names, or that of the listener.
func chosen(named *string, bound string) (string, error) {
	switch {
	case bound != "" && named != nil && *named != "" && *named != bound:
		return "", &api.Error{Status: http.StatusNotFound, Code: "model_not_found", Param: "model", Message: "this listener serves only the model " + quote(bound)}
	case bound != "":
		return bound, nil
	case named == nil || *named == "":
		return "", api.BadField("model", "the model is required; GET /v1/models lists all")
	}
	return *named, nil
}

// Chosen is the model of a request that names one, or none, at a listener that is bound to one, or
// to none.
func Chosen(named, bound string) (string, error) { return chosen(&named, bound) }

// found are the fields of a body that decide about money.
type found struct {
	by  map[string]place
	all int // fields of the body
}

// place is where a value is in a body.
type place struct {
	value []byte
	at    int
}

// find reads the names of all fields, and finds those that decide.
func find(body []byte) (out found, err error) {
	out.by = map[string]place{}
	err = strictjson.Fields(body, func(name string, value []byte, at int) error {
		out.all++
		for _, known := range deciding {
			switch {
			case name == known:
				out.by[name] = place{body[at : at+len(value)], at}
			case strings.EqualFold(name, known):
				return api.BadField(safetext.Line(name, safetext.MaxReason), "write the name as "+known)
			}
		}
		return nil
	})
	if e, ok := errors.AsType[*api.Error](err); ok {
		return out, e
	}
	if err != nil {
		err = api.Fail(http.StatusBadRequest, "invalid_json", "the body must be one JSON object: "+err.Error())
	}
	return out, err
}

func (f found) decode(d *decisions) error {
	var small bytes.Buffer
	for name, p := range f.by {
		small.WriteString("," + strconv.Quote(name) + ":")
		small.Write(p.value)
	}
	small.WriteByte('}')
	object := small.Bytes()
	if len(f.by) == 0 {
		return nil
	}
	object[0] = '{'
	return strictjson.Unmarshal(object, d, strictjson.AllowUnknown)
}

// rewrite is the body for a server: with its name of the model, and with the usage in streams.
// Otherwise the bytes stay as they are.
func (q *Request) rewrite(body []byte, fields found, d decisions, model string) ([]byte, error) {
	set := map[string][]byte{}
	if d.Model == nil || *d.Model != model {
		name, err := json.Marshal(model)
		if err != nil {
			return nil, err
		}
		set["model"] = name
	}
	if q.Stream && !q.usage {
		options := map[string]json.RawMessage{}
		if raw := fields.by["stream_options"].value; raw != nil && string(raw) != "null" {
			if err := strictjson.Unmarshal(raw, &options); err != nil {
				return nil, err
			}
		}
		options["include_usage"] = json.RawMessage("true")
		raw, err := json.Marshal(options)
		if err != nil {
			return nil, err
		}
		set["stream_options"] = raw
	}
	if len(set) == 0 {
		return body, nil
	}
	return fields.with(body, set), nil
}

// with is a body with other values. New fields come first.
func (f found) with(body []byte, set map[string][]byte) []byte {
	out := make([]byte, 0, len(body)+256)
	at := bytes.IndexByte(body, '{') + 1
	out = append(out, body[:at]...)
	added := false
	var replaced []string
	for _, name := range deciding {
		switch {
		case set[name] == nil:
		case f.by[name].value != nil:
			replaced = append(replaced, name)
		default:
			out = append(append(out, strconv.Quote(name)+":"...), set[name]...)
			out = append(out, ',')
			added = true
		}
	}
	if added && f.all == 0 {
		out = out[:len(out)-1]
	}
	slices.SortFunc(replaced, func(a, b string) int { return f.by[a].at - f.by[b].at })
	for _, name := range replaced {
		p := f.by[name]
		out = append(append(out, body[at:p.at]...), set[name]...)
		at = p.at + len(p.value)
	}
	return append(out, body[at:]...)
}

// estimate is an upper estimate of the tokens of a body: a token has at least one byte, and an
// image within a data URL counts as one.
func estimate(body []byte) int {
	n := len(body)
	for rest := body; ; {
		at := bytes.Index(rest, []byte(`"data:`))
		if at < 0 {
			return n
		}
		rest = rest[at+1:]
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			return n
		}
		n += min(imageTokens, end) - end
		rest = rest[end:]
	}
}

func quote(text string) string { return strconv.Quote(safetext.Line(text, safetext.MaxReason)) }
