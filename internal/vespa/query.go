package vespa

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
)

// query is one request to /search/. The YQL text consists of constants and schema names;
// every value is passed as a parameter.
type query struct {
	op, subject string
	yql         string
	parameters  map[string]any
	hits        int
	offset      int
	profile     string // rank profile
	sorting     string
	summary     string
}

// found is one response of /search/.
type found struct {
	total int
	hits  []foundHit
}

type foundHit struct {
	score  float64
	fields json.RawMessage
}

// queryTimeout is long enough for exhaustive ranking of a large profile.
const queryTimeout = "30s"

// ask sends a query and refuses a response that is not complete.
func (x *Index) ask(ctx context.Context, q query) (*found, error) {
	request := map[string]any{
		"yql": q.yql, "hits": q.hits, "offset": q.offset, "ranking.profile": q.profile, "timeout": queryTimeout,
		"ranking.softtimeout.enable": false,
	}
	if q.sorting != "" {
		request["ranking.sorting"] = q.sorting
		request["sorting.degrading"] = false
	}
	if q.summary != "" {
		request["presentation.summary"] = q.summary
	}
	maps.Copy(request, q.parameters)
	body, err := json.Marshal(request)
	if err != nil {
		return nil, &fault.Error{Class: fault.Input, Op: q.op, Subject: q.subject, Err: err}
	}
	a, err := x.client.do(ctx, http.MethodPost, "/search/", body)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fault.Wrap(fault.Transport, q.op, q.subject, err)
	case a.status != http.StatusOK:
		return nil, a.fail(q.op, q.subject)
	}
	return q.read(a)
}

func (q query) read(a *answer) (*found, error) {
	bad := func(reason string) error { return fault.New(fault.Transport, q.op, q.subject, reason) }
	var said struct {
		Root *struct {
			Fields struct {
				Total *int `json:"totalCount"`
			} `json:"fields"`
			Coverage *struct {
				Full     bool            `json:"full"`
				Degraded json.RawMessage `json:"degraded"`
			} `json:"coverage"`
			Errors   []json.RawMessage `json:"errors"`
			Children []struct {
				Relevance *float64        `json:"relevance"`
				Fields    json.RawMessage `json:"fields"`
			} `json:"children"`
		} `json:"root"`
	}
	if err := json.Unmarshal(a.body, &said); err != nil || said.Root == nil {
		return nil, bad("Vespa's response to /search/ is invalid or truncated")
	}
	r := said.Root
	switch {
	case len(r.Errors) > 0:
		return nil, bad("Vespa reported an error" + message(a.body))
	case r.Fields.Total == nil || r.Coverage == nil:
		return nil, bad("Vespa's response has no count or coverage")
	case !r.Coverage.Full || r.Coverage.Degraded != nil:
		return nil, bad("only a part of the documents was searched: a node is down, or the query timed out")
	case len(r.Children) > q.hits || len(r.Children) < min(q.hits, *r.Fields.Total-q.offset):
		return nil, bad("Vespa returns " + strconv.Itoa(len(r.Children)) + " hits of " + strconv.Itoa(*r.Fields.Total) + " found")
	}
	out := &found{total: *r.Fields.Total}
	for _, child := range r.Children {
		if child.Relevance == nil || math.IsNaN(*child.Relevance) || child.Fields == nil {
			return nil, bad("a hit has no relevance or no fields")
		}
		out.hits = append(out.hits, foundHit{*child.Relevance, child.Fields})
	}
	return out, nil
}

// decode reads the summary of a hit.
func (h foundHit) decode(op string, into any) error {
	if err := json.Unmarshal(h.fields, into); err != nil {
		return &fault.Error{Class: fault.Transport, Op: op, Reason: "a hit's summary does not match the schema", Err: err}
	}
	return nil
}
