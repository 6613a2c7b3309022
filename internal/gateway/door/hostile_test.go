package door_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// dripping writes a byte a second until the connection ends, and returns how long that took.
func dripping(to io.Writer, text string) time.Duration {
	began := time.Now()
	for i := 0; ; i++ {
		if _, err := to.Write([]byte{text[i%len(text)]}); err != nil {
			return time.Since(began)
		}
		<-time.After(time.Second) // of the bubble
	}
}

// TestSlowHeaders: a client that never ends its headers loses its connection, in HTTP/1.1 and in HTTP/2.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := overPipes(t)
		c := p.dial(t)
		_, err := fmt.Fprint(c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nX-A: ")
		require.NoError(t, err)
		require.Less(t, dripping(c, "a"), 12*time.Second)

		c = p.dial(t) // it says nothing at all
		began := time.Now()
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Less(t, time.Since(began), 12*time.Second)

		for name, begin := range map[string]func(*h2){
			"preface only": func(c *h2) { _, _ = io.WriteString(c.Conn, http2.ClientPreface) }, // the end is what counts
			"no request":   (*h2).greet,
			"headers without an end": func(c *h2) {
				c.greet()
				_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block("POST", "/echo")})
			},
			"half a frame": func(c *h2) {
				c.greet()
				_ = c.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
				_, _ = c.Write([]byte{0, 0, 100, byte(http2.FrameContinuation), 0, 0, 0, 0, 1, 0})
			},
		} {
			c, began := p.h2(t), time.Now()
			go begin(c)
			c.drain(nil)
			require.Less(t, time.Since(began), 3*time.Minute, name)
		}
	})
}

// TestSlowBodies: a client that sends a body a byte at a time is told so and cut off, in HTTP/1.1 and in
// HTTP/2, and the refusal is logged. Other requests of the same connection go on.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, out := overPipes(t)
		c, began := p.dial(t), time.Now()
		_, err := fmt.Fprint(c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n")
		require.NoError(t, err)
		ended := make(chan time.Duration)
		go func() { ended <- dripping(c, "a") }()
		got, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		defer got.Body.Close()
		require.Equal(t, http.StatusRequestTimeout, got.StatusCode)
		require.True(t, got.Close, "the connection ends")
		require.Less(t, time.Since(began), 32*time.Second)
		require.NoError(t, c.Close())
		require.Less(t, <-ended, 40*time.Second)
		synctest.Wait()
		require.Equal(t, 1, out.logged(t, http.StatusRequestTimeout))

		two := p.h2(t)
		statuses := map[uint32]string{}
		go two.drain(func(f http2.Frame) {
			if h, ok := f.(*http2.MetaHeadersFrame); ok {
				statuses[h.StreamID] = h.PseudoValue("status")
			}
		})
		two.greet()
		slow, err := two.request(false, "POST", "/echo", "content-length", "1000000")
		require.NoError(t, err)
		for range 40 {
			if err := two.WriteData(slow, false, []byte("a")); err != nil {
				break
			}
			<-time.After(time.Second) // of the bubble
		}
		good, err := two.request(false, "POST", "/echo")
		require.NoError(t, err)
		require.NoError(t, two.WriteData(good, true, []byte("hello")))
		synctest.Wait()
		require.Equal(t, map[uint32]string{slow: "408", good: "200"}, statuses)
		require.Equal(t, 2, out.logged(t, http.StatusRequestTimeout))
		require.NoError(t, two.Close())
	})
}

// TestSlowReaders: a client that does not take its answer holds nothing for longer than a minute.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan time.Duration, 2)
		p, _ := overPipes(t, api.Route{Method: "GET", Path: "/large", Name: "large", Handle: func(w http.ResponseWriter, _ *http.Request, _ api.Caller) error {
			began := time.Now()
			defer func() { ends <- time.Since(began) }()
			_, err := w.Write(make([]byte, 1<<20))
			return err
		}})
		_, err := fmt.Fprint(p.dial(t), "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		require.Less(t, <-ends, 2*time.Minute)
		two := p.h2(t)
		go two.drain(nil) // it reads, but never opens the window
		two.greet()
		_, err = two.request(true, "GET", "/large")
		require.NoError(t, err)
		require.Less(t, <-ends, 2*time.Minute)
		require.NoError(t, two.Close())
	})
}

// TestFloods: what costs a client of HTTP/2 little costs the server little, and other clients are
// served meanwhile. What would fill its memory ends the connection.
func TestFloods(t *testing.T) {
	t.Parallel()
	const enough = 12_000 // frames
	fills := []string{"continuations", "pings without reading"}
	for name, flood := range map[string]func(c *h2, i int) error{
		"rapid reset": func(c *h2, _ int) error {
			stream, err := c.request(true, "GET", "/held")
			if err != nil {
				return err
			}
			return c.WriteRSTStream(stream, http2.ErrCodeCancel)
		},
		"continuations": func(c *h2, i int) error {
			if i == 0 {
				return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block("GET", "/held", "x-a", strings.Repeat("a", 1000))})
			}
			return c.WriteContinuation(1, false, block("GET", "/held", "x-a", strings.Repeat("a", 1000)))
		},
		"empty continuations": func(c *h2, i int) error {
			if i == 0 {
				return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block("GET", "/held")})
			}
			return c.WriteContinuation(1, false, nil)
		},
		"pings without reading":    func(c *h2, _ int) error { return c.WritePing(false, [8]byte{}) },
		"settings without reading": func(c *h2, _ int) error { return c.WriteSettings() },
		"streams without an end": func(c *h2, _ int) error {
			_, err := c.request(false, "GET", "/held")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var inside, most int
				p, _ := overPipes(t, api.Route{Method: "GET", Path: "/held", Name: "held", Handle: func(_ http.ResponseWriter, r *http.Request, _ api.Caller) error {
					mu.Lock()
					inside++
					most = max(most, inside)
					mu.Unlock()
					defer func() { mu.Lock(); inside--; mu.Unlock() }()
					<-r.Context().Done()
					return r.Context().Err()
				}})
				c := p.h2(t)
				c.AllowIllegalWrites = true
				if !strings.HasSuffix(name, "without reading") {
					go c.drain(nil)
				}
				go c.greet()
				synctest.Wait()
				sent := 0
				for sent < enough && flood(c, sent) == nil {
					sent++
				}
				synctest.Wait()
				t.Logf("%d frames were taken, %d requests at once", sent, most)
				if slices.Contains(fills, name) {
					require.Less(t, sent, enough, "the server ends the connection")
				}
				require.LessOrEqual(t, most, 300)
				other := p.dial(t)
				_, err := fmt.Fprint(other, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
				require.NoError(t, err)
				answer, err := io.ReadAll(other)
				require.NoError(t, err)
				require.True(t, bytes.HasPrefix(answer, []byte("HTTP/1.1 200")), "%s", answer)
				require.NoError(t, c.Close())
				synctest.Wait()
				require.Zero(t, inside, "nothing is left of the requests")
			})
		})
	}
}

// TestSmuggling: what two servers could read differently is one request or none.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	const second = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nsmuggled"
	const post = "POST /echo HTTP/1.1\r\nHost: localhost\r\n"
	for name, text := range map[string]string{
		"two lengths":           post + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + second,
		"a length and chunks":   post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
		"chunks and a length":   post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		"chunks twice":          post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
		"another encoding":      post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + second,
		"hidden encoding":       post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + second,
		"tab before encoding":   post + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + second,
		"negative length":       post + "Content-Length: -1\r\n\r\n" + second,
		"signed length":         post + "Content-Length: +5\r\n\r\nhello" + second,
		"length with a letter":  post + "Content-Length: 5a\r\n\r\nhello" + second,
		"endless length":        post + "Content-Length: 99999999999999999999\r\n\r\n" + second,
		"chunk size with sign":  post + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + second,
		"chunk size too large":  post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n" + second,
		"bare CR":               post + "X-A: b\rContent-Length: 0\r\n\r\n" + second,
		"NUL in a header":       post + "X-A: b\x00c\r\nContent-Length: 0\r\n\r\n" + second,
		"no host":               "POST /echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + second,
		"two hosts":             post + "Host: other\r\nContent-Length: 0\r\n\r\n" + second,
		"host with a path":      "POST /echo HTTP/1.1\r\nHost: localhost/a\r\nContent-Length: 0\r\n\r\n" + second,
		"folded header":         "POST /echo HTTP/1.1\r\nHost: localhost\r\n Content-Length: 0\r\n\r\n" + second,
		"another protocol":      "POST /echo HTTP/9.9\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" + second,
		"space before the name": "POST /echo HTTP/1.1\r\n Host: localhost\r\nContent-Length: 0\r\n\r\n" + second,
		"method with a space":   "PO ST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" + second,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, _ := overPipes(t)
				c := p.dial(t)
				go func() { _, _ = io.WriteString(c, text) }() // the server may end the connection at any byte
				answer, err := io.ReadAll(c)
				require.NoError(t, err)
				require.NotContains(t, string(answer), "smuggled", "the second request is not read as one")
				require.LessOrEqual(t, strings.Count(string(answer), "HTTP/1.1 "), 1, "%s", answer)
			})
		})
	}
}
