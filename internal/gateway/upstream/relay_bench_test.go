package upstream

import (
	"bufio"
	"strings"
	"testing"
)

// BenchmarkEvent reads an event of a stream. Its memory is garbage for each of thousands of streams.
func BenchmarkEvent(b *testing.B) {
	const event = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}` + "\n\n"
	r := bufio.NewReader(nil)
	from := strings.NewReader("")
	var s stream
	var buffer []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		from.Reset(event)
		r.Reset(from)
		event, err := next(r, buffer)
		if err != nil {
			b.Fatal(err)
		}
		buffer = event[:0]
		data, _ := dataOf(event)
		if _, err := s.take(data, false); err != nil {
			b.Fatal(err)
		}
	}
}
