package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Where the scripted model server listens, and the file of its bill.
const (
	scriptedAddress = "COGFLOW_KILL_ADDRESS"
	scriptedBill    = "COGFLOW_KILL_BILL"
)

// scriptedWords is the length of a spoken answer; a word is a token and an event.
const scriptedWords = 24

// scriptedPace is how long a word takes, so that kills come in the middle of an answer.
const scriptedPace = 5 * time.Millisecond

// speech is the answer to a request for a topic.
func speech(topic string) string {
	words := make([]string, scriptedWords)
	for i := range words {
		words[i] = fmt.Sprintf("%s-%d", topic, i)
	}
	return strings.Join(words, " ")
}

// billLine is what the server bills before it sends what it costs.
type billLine struct {
	ID     string `json:"id"`
	Input  int64  `json:"in"`
	Output int64  `json:"out"`
}

// billSize is the size of a line with its end, in bytes. The kernel writes a file page by page: a line that
// crosses a page is seen in part while it is written, and stays so if the process is killed then. No line of
// this size does, as pages are multiples of it.
const billSize = 64

// record is the line of the bill.
func (b billLine) record() ([]byte, error) {
	line, err := json.Marshal(b)
	if err == nil && len(line) >= billSize {
		err = fmt.Errorf("a line of the bill has %d bytes and an end, more than %d: %s", len(line), billSize, line)
	}
	return fmt.Appendf(nil, "%-*s\n", billSize-1, line), err
}

// TestBillLine: no line of the bill crosses a page.
func TestBillLine(t *testing.T) {
	t.Parallel()
	require.Zero(t, os.Getpagesize()%billSize)
	b := billLine{"frame0123456789abcdef", scriptedPrompt, scriptedWords}
	line, err := b.record()
	require.NoError(t, err)
	require.Len(t, line, billSize)
	var same billLine
	require.NoError(t, json.Unmarshal(line, &same))
	require.Equal(t, b, same)
	b.ID = strings.Repeat("x", billSize)
	_, err = b.record()
	require.Error(t, err)
}

const scriptedPrompt = 10 // tokens

// scriptedServer describes pictures and speaks about topics, and bills each token before it sends it.
func scriptedServer() {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", os.Getenv(scriptedAddress))
	if err != nil {
		panic(err)
	}
	file, err := os.OpenFile(os.Getenv(scriptedBill), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	bill := func(b billLine) {
		line, err := b.record()
		if err == nil {
			_, err = file.Write(line)
		}
		if err != nil {
			panic(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", text(200, "application/json", `{"object":"list","data":[{"id":"m","object":"model"}]}`))
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) { scripted(w, r, bill) })
	fmt.Fprintln(os.Stderr, `"ready"`)
	panic(http.Serve(l, mux)) //nolint:gosec // of a test
}

func scripted(w http.ResponseWriter, r *http.Request, bill func(billLine)) {
	var in struct {
		Stream   bool `json:"stream"`
		Messages []struct {
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Messages) == 0 {
		http.Error(w, "not a chat", http.StatusBadRequest)
		return
	}
	content := in.Messages[len(in.Messages)-1].Content
	var topic string
	if json.Unmarshal(content, &topic) != nil { // parts, with a picture
		sum := sha256.Sum256(content)
		topic = "frame" + hex.EncodeToString(sum[:8])
	}
	words := strings.SplitAfter(speech(topic), " ")
	bill(billLine{topic, scriptedPrompt, 0})
	if !in.Stream {
		<-time.After(scriptedPace * scriptedWords / 4)
		bill(billLine{topic, 0, int64(len(words))})
		out, _ := json.Marshal(strings.Join(words, "")) // a text can be marshaled
		text(200, "application/json", fmt.Sprintf(`{"choices":[{"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`,
			out, scriptedPrompt, len(words)))(w, r)
		return
	}
	w.Header().Set("Content-Type", streamed)
	control := http.NewResponseController(w)
	send := func(event string) bool {
		_, err := fmt.Fprintf(w, "data: %s\n\n", event)
		return err == nil && control.Flush() == nil
	}
	for _, word := range words {
		<-time.After(scriptedPace)
		bill(billLine{topic, 0, 1})
		if !send(delta(word)) {
			return // the client has gone
		}
	}
	_ = send(last) && send(fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, scriptedPrompt, len(words))) && send("[DONE]")
}
