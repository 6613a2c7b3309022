// Package loki reads log lines from Grafana Loki by its HTTP API. It knows nothing of what the
// lines mean.
package loki

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	// pageSize is the number of lines of a request; servers refuse more than 5,000.
	pageSize = 1000
	// window bounds the time of a request; servers refuse more than 30 days and 1 hour.
	window = 7 * 24 * time.Hour
	// late is how much later than its time a line may arrive at the server.
	late = time.Minute
	// timeout bounds a request.
	timeout = time.Minute
	// maxAnswer bounds an answer in bytes.
	maxAnswer = 64 << 20
	// path of the API below the address.
	path = "/loki/api/v1/query_range"
)

// Options say where Loki is and how it knows the caller.
type Options struct {
	URL            string // such as http://loki:3100
	User, Password string // basic authentication
	Token          string // bearer token, instead
	Tenant         string // X-Scope-OrgID
}

// Environment reads the variables of logcli; "" as the URL means that LOKI_ADDR is not set.
func Environment(getenv func(string) string) Options {
	return Options{
		URL: getenv("LOKI_ADDR"), User: getenv("LOKI_USERNAME"), Password: getenv("LOKI_PASSWORD"),
		Token: getenv("LOKI_BEARER_TOKEN"), Tenant: getenv("LOKI_ORG_ID"),
	}
}

// Reader reads the lines of a selector that contain one of several texts, each line once.
type Reader struct {
	options Options
	query   string
	from    time.Time
	now     func() time.Time
	seen    map[entry]bool // those that a request may return again
}

// entry is a line of a stream.
type entry struct {
	at           int64 // nanoseconds
	stream, line string
}

// New returns a Reader of lines since a time.
func New(o Options, selector string, texts []string, since time.Time) (*Reader, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.New(fault.Input, "read", "LOKI_ADDR", "must be a URL such as http://127.0.0.1:3100")
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	o.URL = u.String()
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = regexp.QuoteMeta(text)
	}
	query := selector + " |~ " + strconv.Quote(strings.Join(quoted, "|"))
	return &Reader{options: o, query: query, from: since, now: time.Now, seen: map[entry]bool{}}, nil
}

// Next calls do for each line since the last call, in the order of time. Lines that arrive up to
// a minute late are found by the next call.
func (r *Reader) Next(ctx context.Context, do func(line []byte)) error {
	end := r.now().Add(time.Second)
	for start := r.from; start.Before(end); start = start.Add(window) {
		if err := r.read(ctx, start.UnixNano(), min(start.Add(window).UnixNano(), end.UnixNano()), do); err != nil {
			return err
		}
	}
	if from := end.Add(-late); from.After(r.from) {
		r.from = from
	}
	r.forget(r.from.UnixNano())
	return nil
}

// read reads the lines of a time, page by page.
func (r *Reader) read(ctx context.Context, start, end int64, do func(line []byte)) error {
	for {
		page, err := r.page(ctx, start, end)
		if err != nil {
			return err
		}
		for _, e := range page {
			if !r.seen[e] {
				r.seen[e] = true
				do([]byte(e.line))
			}
		}
		if len(page) < pageSize {
			return nil
		}
		last := page[len(page)-1].at // other lines may have the same time
		if last == start {
			return fault.New(fault.Input, "query Loki", "", fmt.Sprintf("%d lines have the same time", pageSize))
		}
		start = last
		r.forget(min(start, end-int64(late)))
	}
}

// forget forgets the lines before a time.
func (r *Reader) forget(before int64) {
	maps.DeleteFunc(r.seen, func(e entry, _ bool) bool { return e.at < before })
}

// page requests the first lines of a time, in their order.
func (r *Reader) page(ctx context.Context, start, end int64) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.options.URL+"?"+url.Values{
		"query": {r.query}, "direction": {"forward"}, "limit": {strconv.Itoa(pageSize)},
		"start": {strconv.FormatInt(start, 10)}, "end": {strconv.FormatInt(end, 10)},
	}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if r.options.Tenant != "" {
		request.Header.Set("X-Scope-OrgID", r.options.Tenant)
	}
	switch {
	case r.options.Token != "":
		request.Header.Set("Authorization", "Bearer "+r.options.Token)
	case r.options.User != "":
		request.SetBasicAuth(r.options.User, r.options.Password)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL
		}
		return nil, fault.Wrap(fault.Transport, "query Loki at", request.URL.Host, err)
	}
	defer answer.Body.Close()
	body := io.LimitReader(answer.Body, maxAnswer)
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(body, 500)) // what can be read of the reason
		return nil, fault.New(fault.StatusClass(answer.StatusCode), "query Loki at", request.URL.Host,
			fmt.Sprintf("status %d: %s", answer.StatusCode, safetext.Line(strings.TrimSpace(string(text)), 300)))
	}
	page, err := decode(body)
	return page, fault.Wrap(fault.Transport, "read the answer of Loki at", request.URL.Host, err)
}

func decode(body io.Reader) (page []entry, err error) {
	var answer struct {
		Data struct {
			Type   string `json:"resultType"`
			Result []struct {
				Stream json.RawMessage     `json:"stream"`
				Values [][]json.RawMessage `json:"values"` // time, line and, in some versions, metadata
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Data.Type != "streams" {
		return nil, fmt.Errorf("the result is %q, not streams of lines", answer.Data.Type)
	}
	for _, stream := range answer.Data.Result {
		for _, value := range stream.Values {
			e := entry{stream: string(stream.Stream)}
			var at string
			if len(value) < 2 || json.Unmarshal(value[0], &at) != nil || json.Unmarshal(value[1], &e.line) != nil {
				return nil, errors.New("a value is not a time and a line")
			}
			if e.at, err = strconv.ParseInt(at, 10, 64); err != nil {
				return nil, err
			}
			page = append(page, e)
		}
	}
	slices.SortStableFunc(page, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	return page, nil
}
