package door

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// deadlines notes the deadline of each read.
type deadlines struct {
	*httptest.ResponseRecorder
	last time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.last = t
	return nil
}

// TestSlowBody: a client that sends a byte at a time is cut off when slowStart is over, however many
// bytes it sends; a client that sends fast has time for all of them.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	began := time.Now()
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	s := &slow{ReadCloser: io.NopCloser(iotest.OneByteReader(bytes.NewReader(make([]byte, 1000)))), control: http.NewResponseController(w), began: began}
	for range 100 {
		_, err := s.Read(make([]byte, 10))
		require.NoError(t, err)
	}
	require.WithinDuration(t, began.Add(slowStart), w.last, 10*time.Millisecond, "a hundred bytes buy no time")
	s = &slow{ReadCloser: io.NopCloser(bytes.NewReader(make([]byte, 10<<20))), control: http.NewResponseController(w), began: began}
	for range 9 {
		_, err := io.ReadFull(s, make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.Greater(t, w.last.Sub(began), 5*time.Minute, "8 MiB have as long as the slowest rate needs")
	_, err := io.ReadAll(s)
	require.NoError(t, err)
	require.True(t, w.last.IsZero(), "the deadline ends with the body")

	s = &slow{ReadCloser: io.NopCloser(iotest.ErrReader(os.ErrDeadlineExceeded)), control: http.NewResponseController(w), began: began}
	_, err = s.Read(make([]byte, 1))
	require.Equal(t, http.StatusRequestTimeout, api.Of(err).Status, "the client is told, and never gets an empty answer with status 200")
}
