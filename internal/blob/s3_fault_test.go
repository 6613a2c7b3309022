package blob_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/blobtest"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/object"
)

type pass = func(func(*http.Response))

// first applies a fault to the first n requests that match.
func first(n int32, method, query string, f func(w http.ResponseWriter, r *http.Request, next pass)) s3test.Fault {
	var done atomic.Int32
	return func(w http.ResponseWriter, r *http.Request, next func(func(*http.Response))) bool {
		if r.Method != method || !strings.Contains(r.URL.RawQuery, query) || strings.Contains(r.URL.RawQuery, "list-type") || done.Add(1) > n {
			return false
		}
		f(w, r, next)
		return true
	}
}

func refuse(status int, code string) func(http.ResponseWriter, *http.Request, pass) {
	return func(w http.ResponseWriter, _ *http.Request, _ pass) { s3test.Refuse(w, status, code) }
}

func lose(_ http.ResponseWriter, _ *http.Request, next pass) { s3test.Lose(next) }

func cutBody(_ http.ResponseWriter, r *http.Request, _ pass) {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	s3test.Cut()
}

func cutAnswer(_ http.ResponseWriter, _ *http.Request, next pass) {
	next(func(r *http.Response) { r.Body = s3test.CutAfter(r.Body, 100<<10) })
}

func flipBody(_ http.ResponseWriter, r *http.Request, next pass) {
	r.Body = s3test.Flip(r.Body, 1000)
	next(nil)
}

func flipAnswer(_ http.ResponseWriter, _ *http.Request, next pass) {
	next(func(r *http.Response) { r.Body = s3test.Flip(r.Body, 1000) })
}

// losePart takes a part and does not pass it on.
func losePart(w http.ResponseWriter, r *http.Request, _ pass) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("ETag", `"d41d8cd98f00b204e9800998ecf8427e"`)
}

const always = 1 << 30

type operation func(ctx context.Context, s blob.Store, key string) error

func TestS3Faults(t *testing.T) { //nolint:tparallel // it sets the environment
	server := s3test.Serve(t)
	brokenWrites(t, server)
	brokenAnswers(t, server)
}

// brokenWrites does one operation under one fault. Afterwards the object is
// whole and the new or the old one, as the operation said.
func brokenWrites(t *testing.T, server string) {
	t.Helper()
	small, large := strings.Repeat("small ", 64<<10), strings.Repeat("large ", 3<<20)
	put := func(text string) operation {
		return func(ctx context.Context, s blob.Store, key string) error {
			_, err := s.Put(ctx, key, strings.NewReader(text))
			return err
		}
	}
	create := func(text string) operation {
		return func(ctx context.Context, s blob.Store, key string) error {
			_, err := s.Create(ctx, key+"-new", strings.NewReader(text))
			return err
		}
	}
	replace := func(text string) operation {
		return func(ctx context.Context, s blob.Store, key string) error {
			_, err := s.Replace(ctx, key, blobtest.Sum("old"), strings.NewReader(text))
			return err
		}
	}
	for name, c := range map[string]struct {
		fault s3test.Fault
		do    operation
		key   string      // of what is looked at afterwards
		want  string      // its content; "" = none
		class fault.Class // "" = success
	}{
		"put, slow down twice":       {first(2, "PUT", "", refuse(503, "SlowDown")), put(small), "a", small, ""},
		"put, slow down":             {first(always, "PUT", "", refuse(503, "SlowDown")), put(small), "b", "old", fault.Overload},
		"put, error":                 {first(1, "PUT", "", refuse(500, "InternalError")), put(small), "c", small, ""},
		"put, errors":                {first(always, "PUT", "", refuse(500, "InternalError")), put(small), "d", "old", fault.Transport},
		"put, denied":                {first(1, "PUT", "", refuse(403, "AccessDenied")), put(small), "e", "old", fault.Auth},
		"put, full":                  {first(1, "PUT", "", refuse(507, "QuotaExceeded")), put(small), "f", "old", fault.Capacity},
		"put, no bucket":             {first(1, "PUT", "", refuse(404, "NoSuchBucket")), put(small), "g", "old", fault.Input},
		"put, cut body":              {first(1, "PUT", "", cutBody), put(small), "h", small, ""},
		"put, lost answer":           {first(1, "PUT", "", lose), put(small), "i", small, ""},
		"put, corrupt body":          {first(1, "PUT", "", flipBody), put(small), "j", small, ""},
		"put, corrupt bodies":        {first(always, "PUT", "", flipBody), put(small), "k", "old", fault.Transport},
		"put, conflict":              {first(2, "PUT", "", refuse(409, "ConditionalRequestConflict")), put(small), "l", small, ""},
		"large put":                  {nil, put(large), "m", large, ""},
		"large put, lost part":       {first(1, "PUT", "partNumber=2", losePart), put(large), "n", "old", fault.Transport},
		"large put, corrupt part":    {first(1, "PUT", "partNumber=2", flipBody), put(large), "o", large, ""},
		"large put, cut part":        {first(1, "PUT", "partNumber=3", cutBody), put(large), "p", large, ""},
		"large put, no part":         {first(always, "PUT", "partNumber=3", refuse(500, "InternalError")), put(large), "q", "old", fault.Transport},
		"large put, lost completion": {first(1, "POST", "uploadId", lose), put(large), "r", large, ""},
		"create, lost answer":        {first(1, "PUT", "", lose), create(small), "s-new", small, ""},
		"create, lost answers":       {first(4, "PUT", "", lose), create(small), "t-new", small, ""},
		"create, conflict":           {first(1, "PUT", "", refuse(409, "ConditionalRequestConflict")), create(small), "u-new", small, ""},
		"create, errors":             {first(always, "PUT", "", refuse(500, "InternalError")), create(small), "v-new", "", fault.Transport},
		"large create":               {first(1, "POST", "uploadId", lose), create(large), "w-new", large, ""},
		"replace, lost answer":       {first(1, "PUT", "", lose), replace(small), "x", small, ""},
		"replace, cut body":          {first(1, "PUT", "", cutBody), replace(small), "y", small, ""},
		"large replace, lost answer": {first(1, "POST", "uploadId", lose), replace(large), "z", large, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, at := s3test.NewProxy(t, server)
			s := openS3(t, at)
			old := strings.TrimSuffix(c.key, "-new")
			require.NoError(t, put("old")(t.Context(), s, old))
			proxy.Set(c.fault)
			err := c.do(t.Context(), s, old)
			require.Equal(t, c.fault != nil, proxy.Hits() > 0)
			if strings.HasSuffix(c.key, "-new") {
				require.NotErrorIs(t, err, object.ErrExists)
			}
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			if c.class == "" {
				require.NoError(t, err)
			}
			proxy.Set(nil)
			text, err := text(t.Context(), s, c.key)
			if c.want == "" {
				require.ErrorIs(t, err, object.ErrNotFound)
				return
			}
			require.NoError(t, err)
			require.True(t, c.want == text, "%d bytes that start with %.9q", len(text), text)
		})
	}
}

// brokenAnswers reads under faults: the content is right or an error.
func brokenAnswers(t *testing.T, server string) {
	t.Helper()
	content := strings.Repeat("content ", 64<<10)
	for name, c := range map[string]struct {
		fault s3test.Fault
		want  error
		class fault.Class
	}{
		"slow down":      {first(2, "GET", "", refuse(503, "SlowDown")), nil, ""},
		"down":           {first(always, "GET", "", refuse(500, "InternalError")), nil, fault.Transport},
		"cut":            {first(3, "GET", "", cutAnswer), nil, ""},
		"always cut":     {first(always, "GET", "", cutAnswer), nil, fault.Transport},
		"corrupt":        {first(1, "GET", "", flipAnswer), object.ErrCorrupt, ""},
		"no answer":      {first(1, "GET", "", lose), nil, ""},
		"denied":         {first(1, "GET", "", refuse(403, "AccessDenied")), nil, fault.Auth},
		"not found":      {first(1, "GET", "", refuse(404, "NoSuchKey")), object.ErrNotFound, ""},
		"without bucket": {first(1, "GET", "", refuse(404, "NoSuchBucket")), nil, fault.Input},
	} {
		t.Run("get, "+name, func(t *testing.T) {
			t.Parallel()
			proxy, at := s3test.NewProxy(t, server)
			s := openS3(t, at)
			key := strings.ReplaceAll("read "+name, " ", "-") // the others write to this bucket, too
			_, err := s.Put(t.Context(), key, strings.NewReader(content))
			require.NoError(t, err)
			proxy.Set(c.fault)
			got, err := text(t.Context(), s, key)
			require.Positive(t, proxy.Hits())
			switch {
			case c.want != nil:
				require.ErrorIs(t, err, c.want)
			case c.class != "":
				require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			default:
				require.NoError(t, err)
				require.True(t, content == got)
			}
		})
	}
}
