// Package lokitest has a fake of Grafana Loki for tests. It answers query_range as its
// documentation says: selectors, line filters, pages, limits, tenants and errors.
package lokitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The default limits of a server.
const (
	maxLimit = 5000
	maxRange = 721 * time.Hour
)

// Server is the fake. Set its fields before the first request.
type Server struct {
	URL    string
	Tenant string // required X-Scope-OrgID; "" = one tenant
	Token  string // required by a proxy before it; "" = none

	mu      sync.Mutex
	entries []entry
	queries []string
}

type entry struct {
	at     time.Time
	labels map[string]string
	line   string
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Push adds a line, as a collector does. A line that a stream has already at its time is not added.
func (s *Server) Push(at time.Time, labels map[string]string, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.at.Equal(at) && e.line == line && fmt.Sprint(e.labels) == fmt.Sprint(labels) {
			return
		}
	}
	s.entries = append(s.entries, entry{at, labels, line})
}

// Queries returns the queries so far.
func (s *Server) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token:
		http.Error(w, "invalid token", http.StatusUnauthorized)
		return
	case s.Tenant != "" && r.Header.Get("X-Scope-OrgID") != s.Tenant:
		http.Error(w, "no org id", http.StatusUnauthorized)
		return
	case r.URL.Path != "/loki/api/v1/query_range":
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, r.FormValue("query"))
	result, err := s.find(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"status": "success", "data": map[string]any{"resultType": "streams", "result": result, "stats": map[string]any{}},
	})
}

type stream struct {
	Labels map[string]string `json:"stream"`
	Values [][2]string       `json:"values"`
}

func (s *Server) find(r *http.Request) (out []*stream, err error) {
	wanted, err := parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	start, errStart := strconv.ParseInt(r.FormValue("start"), 10, 64)
	end, errEnd := strconv.ParseInt(r.FormValue("end"), 10, 64)
	limit, errLimit := strconv.Atoi(r.FormValue("limit"))
	switch {
	case errStart != nil || errEnd != nil || errLimit != nil:
		return nil, fmt.Errorf("could not parse a parameter: %w", errors.Join(errStart, errEnd, errLimit))
	case end < start:
		return nil, fmt.Errorf("end timestamp must not be before or equal to start time")
	case limit > maxLimit:
		return nil, fmt.Errorf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", limit, maxLimit)
	case time.Duration(end-start) > maxRange:
		return nil, fmt.Errorf("the query time range exceeds the limit (query length: %s, limit: 30d1h)", time.Duration(end-start))
	}
	all := slices.Clone(s.entries)
	slices.SortStableFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	if r.FormValue("direction") != "forward" {
		slices.Reverse(all)
	}
	byLabels := map[string]*stream{}
	for _, e := range all {
		at := e.at.UnixNano()
		if at < start || at >= end || !wanted(e) {
			continue
		}
		if limit--; limit < 0 {
			break
		}
		name := fmt.Sprint(e.labels)
		if byLabels[name] == nil {
			byLabels[name] = &stream{Labels: e.labels}
			out = append(out, byLabels[name])
		}
		byLabels[name].Values = append(byLabels[name].Values, [2]string{strconv.FormatInt(at, 10), e.line})
	}
	return out, nil
}

var (
	whole   = regexp.MustCompile(`^\{([^{}]*)\}((?:\s*\|[=~]\s*"(?:[^"\\]|\\.)*")*)$`)
	matcher = regexp.MustCompile(`^\s*(\w+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*$`)
	filter  = regexp.MustCompile(`\|([=~])\s*("(?:[^"\\]|\\.)*")`)
)

// parse reads the part of LogQL that has a selector and line filters.
func parse(query string) (wanted func(entry) bool, err error) {
	parts := whole.FindStringSubmatch(query)
	if parts == nil {
		return nil, fmt.Errorf("parse error at line 1, col 1: syntax error: unexpected %.20q", query)
	}
	var tests []func(entry) bool
	some := false
	for one := range strings.SplitSeq(parts[1], ",") {
		m := matcher.FindStringSubmatch(one)
		if m == nil {
			return nil, fmt.Errorf("parse error: syntax error in %q", one)
		}
		value, err := strconv.Unquote(m[3])
		if err != nil {
			return nil, err
		}
		expression, err := regexp.Compile("^(?:" + value + ")$") // Loki anchors them
		if err != nil {
			return nil, err
		}
		if m[2] == "=" || m[2] == "!=" {
			expression = regexp.MustCompile("^" + regexp.QuoteMeta(value) + "$")
		}
		negative := m[2][0] == '!'
		some = some || !negative && !expression.MatchString("")
		tests = append(tests, func(e entry) bool { return expression.MatchString(e.labels[m[1]]) != negative })
	}
	if !some {
		return nil, fmt.Errorf("parse error: queries require at least one regexp or equality matcher that does not have an empty-compatible value")
	}
	for _, m := range filter.FindAllStringSubmatch(parts[2], -1) {
		value, err := strconv.Unquote(m[2])
		if err != nil {
			return nil, err
		}
		if m[1] == "=" {
			value = regexp.QuoteMeta(value)
		}
		expression, err := regexp.Compile(value)
		if err != nil {
			return nil, err
		}
		tests = append(tests, func(e entry) bool { return expression.MatchString(e.line) })
	}
	return func(e entry) bool {
		return !slices.ContainsFunc(tests, func(test func(entry) bool) bool { return !test(e) })
	}, nil
}
