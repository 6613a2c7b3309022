package loki

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/loki/lokitest"
)

const selector = `{app="cogflow-worker"}`

func labels(pod string) map[string]string {
	return map[string]string{"app": "cogflow-worker", "pod": pod}
}

// TestReader: each line is read once, across pages, weeks, streams and lines that arrive late.
func TestReader(t *testing.T) {
	t.Parallel()
	s := lokitest.Start(t)
	s.Tenant, s.Token = "acme", "s3cret"
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := map[string]int{}
	for i := range 2*pageSize + 10 {
		line := fmt.Sprintf("job.1 line %d", i)
		s.Push(begun.Add(time.Duration(i/3)*time.Second), labels("a"), line) // three lines at a time
		want[line]++
	}
	s.Push(begun.Add(time.Second), labels("a"), "job-1 is another")
	s.Push(begun.Add(time.Second), map[string]string{"app": "web"}, "job.1 of another program")
	s.Push(begun.Add(-time.Second), labels("a"), "job.1 before")
	for _, pod := range []string{"a", "b"} { // equal lines of two pods
		s.Push(begun.Add(40*24*time.Hour), labels(pod), "job.1 forty days later")
		want["job.1 forty days later"]++
	}
	s.Push(begun.Add(time.Minute), labels("a"), "tr4ce \"quoted\"\\")
	want["tr4ce \"quoted\"\\"]++
	r, err := New(Options{URL: s.URL, Token: "s3cret", Tenant: "acme"}, selector, []string{"job.1", "tr4ce \"quoted\"\\"}, begun)
	require.NoError(t, err)
	now := begun.Add(41 * 24 * time.Hour)
	r.now = func() time.Time { return now }
	got, last := map[string]int{}, ""
	next := func() {
		require.NoError(t, r.Next(t.Context(), func(line []byte) { last = string(line); got[last]++ }))
	}
	next()
	require.Equal(t, want, got)
	require.Equal(t, "job.1 forty days later", last, "in the order of time")
	next()
	require.Equal(t, want, got)
	for _, age := range []time.Duration{50 * time.Second, 0} {
		line := "job.1 " + age.String()
		s.Push(now.Add(-age), labels("b"), line)
		want[line]++
	}
	now = now.Add(2 * time.Second)
	next()
	require.Equal(t, want, got, "one came 50 s late")
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := lokitest.Start(t)
	s.Tenant = "acme"
	read := func(o Options, selector string) error {
		r, err := New(o, selector, []string{"x"}, time.Now())
		require.NoError(t, err)
		return r.Next(t.Context(), func([]byte) {})
	}
	err := read(Options{URL: s.URL}, selector)
	require.Equal(t, fault.Auth, fault.ClassOf(err))
	require.ErrorContains(t, err, "status 401: no org id")
	err = read(Options{URL: s.URL + "/", Tenant: "acme"}, `{app=~".*"}`)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "at least one regexp or equality matcher")
	err = read(Options{URL: "http://user:s3cret@127.0.0.1:1"}, selector)
	require.Equal(t, fault.Transport, fault.ClassOf(err))
	require.NotContains(t, err.Error(), "s3cret")
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer page.Close()
	require.Equal(t, fault.Transport, fault.ClassOf(read(Options{URL: page.URL}, selector)))
	for _, bad := range []string{"", "loki:3100", "ftp://x"} {
		_, err := New(Options{URL: bad}, selector, nil, time.Now())
		require.ErrorContains(t, err, "LOKI_ADDR")
	}
}

// TestManyAtOnce: more lines of one time than a page are an error, not a loss.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s, at := lokitest.Start(t), time.Now().Add(-time.Minute)
	for i := range pageSize + 1 {
		s.Push(at, labels("a"), fmt.Sprint("x ", i))
	}
	r, err := New(Options{URL: s.URL}, selector, []string{"x"}, at)
	require.NoError(t, err)
	require.ErrorContains(t, r.Next(t.Context(), func([]byte) {}), "lines have the same time")
}
