package chat_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
)

// TestRead: the text of a paid answer is read, whatever the other fields hold.
func TestRead(t *testing.T) {
	t.Parallel()
	const choices = `"choices":[{"message":{"content":"An answer."},"finish_reason":"stop"}]`
	for name, body := range map[string]string{
		"created as a fraction":    `{"created":1716313435.7,` + choices + `}`,
		"created as a text":        `{"created":"2024-05-21T17:43:55Z",` + choices + `}`,
		"ids of other types":       `{"id":7,"object":null,"system_fingerprint":[1],"service_tier":{},` + choices + `}`,
		"odd lists":                `{"prompt_filter_results":"none","citations":{},"metadata":7,` + choices + `}`,
		"model as a number":        `{"model":4,` + choices + `}`,
		"usage as a text":          `{"usage":"none",` + choices + `}`,
		"usage null":               `{"usage":null,` + choices + `}`,
		"usage of odd types":       `{"usage":{"prompt_tokens":{},"prompt_tokens_details":[]},` + choices + `}`,
		"the choice of odd types":  `{"choices":[{"index":"0","logprobs":7,"matched_stop":1,"message":{"role":7,"content":"An answer.","tool_calls":"none","annotations":{}},"finish_reason":{}}]}`,
		"parts":                    `{"choices":[{"message":{"content":[{"type":"text","text":"An "},"answer",{"type":"text","text":"."},7,{"type":"x","text":{}}]}}]}`,
		"a name more than once":    `{"choices":[],` + choices + `}`,
		"the message twice nested": `{"choices":[{"delta":{"content":7},"message":{"content":"An answer.","audio":{"id":7}}}]}`,
	} {
		said, err := chat.Read(nil, []byte(body))
		require.NoError(t, err, name)
		require.Equal(t, "An answer.", said.Text, name)
		require.Equal(t, len(said.Text), said.Written-strings.Count(body, `"tool_calls":"none"`)*len(`"none"`), name)
	}
	for _, body := range []string{
		`[]`, `7`, `null`, ``, `{}`, `{"choices":null}`, `{"choices":[]}`, `{"choices":{}}`, `{"choices":["An answer."]}`, `{"choices":[{}]}`,
		`{"choices":[{"message":"An answer."}]}`, `{"choices":[{"message":{"content":7}}]}`, `{"choices":[{"message":{"content":{"text":"x"}}}]}`,
	} {
		said, err := chat.Read(nil, []byte(body))
		require.True(t, err != nil || said.Text == "" && said.Written == 0, body)
	}
}

// TestSeveralChoices: the first choice with a text is the answer, and the bytes of all are counted.
func TestSeveralChoices(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]chat.Answer{
		`{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{"message":{"content":"bc"},"finish_reason":"length"}]}`:                 {Text: "a", Finish: "stop", Written: 3},
		`{"choices":[{"message":{"content":"","reasoning":"Hm."},"finish_reason":"stop"},{"message":{"content":"b"},"finish_reason":"length"}]}`: {Text: "b", Finish: "length", Written: 4},
		`{"choices":[{"message":{"content":""},"finish_reason":"length"},{"message":7}]}`:                                                        {Finish: "length"},
		`{"choices":[{"message":7},{"message":{"content":"b"},"finish_reason":"stop"}]}`:                                                         {Text: "b", Finish: "stop", Written: 1},
	} {
		said, err := chat.Read(nil, []byte(body))
		require.NoError(t, err, body)
		require.Equal(t, want, said, body)
	}
	said := read(t, sse(`{"choices":[{"index":1,"delta":{"content":"Another"}},{"index":0,"delta":{"content":"An "}}]}`, `{"choices":[{"index":1,"delta":{"content":"."},"finish_reason":"stop"}]}`, answer, stop))
	require.Equal(t, "An answer.", said.Text)
	require.Equal(t, len("An answer.Another."), said.Written)
}

func TestWritten(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`{"content":"ab"}`:                                                 2,
		`{"content":" \n"}`:                                                0,
		`{"content":null,"refusal":"no"}`:                                  2,
		`{"content":"ab","reasoning_content":"think"}`:                     7,
		`{"content":"ab","reasoning":"think","reasoning_content":"think"}`: 7,
		`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"think"}]},{"type":"text","text":"ab"}]}`: 7,
		`{"content":[{"type":"thinking","thinking":"think"},7,{"type":"text","text":"ab"}]}`:                        7,
		`{"content":null,"tool_calls":[]}`:                                            0,
		`{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}`:  44,
		`{"content":null,"function_call":{"name":"f","arguments":"{}"},"refusal":""}`: 29,
	} {
		said, err := chat.Read(nil, []byte(`{"choices":[{"message":`+body+`}]}`))
		require.NoError(t, err, body)
		require.Equal(t, want, said.Written, body)
	}
}

func TestBill(t *testing.T) {
	t.Parallel()
	bill := chat.Bill(&money.Price{Input: 1, Output: 10}, money.Request{Input: 40, MaxInput: 100, MaxOutput: 50})
	micro, known := bill([]byte(`{"usage":{"prompt_tokens":7,"completion_tokens":2},"choices":`))
	require.True(t, known)
	require.EqualValues(t, 27, micro)
	for _, body := range []string{``, `{}`, `{"usage":{"prompt_tokens":7}}`, `{"usage":{"prompt_tokens":9e18,"completion_tokens":2}}`} {
		_, known = bill([]byte(body))
		require.False(t, known, body)
	}
	_, known = chat.Bill(nil, money.Request{})([]byte(`{"usage":{"prompt_tokens":7,"completion_tokens":2}}`))
	require.False(t, known, "without a price nobody can tell")
}

// FuzzRead: any body is an answer or an error.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"created":1.5,"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4}}`,
		`{"choices":[{"message":{"content":[{"text":"x"},"y"]}}]}`, `{"choices":7}`, `[]`, ``, `{"choices":[{"message":{"content":"\ud800"}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		said, err := chat.Read(nil, body)
		if err != nil {
			require.Zero(t, said)
		}
		s := money.Request{Input: 1, MaxInput: 10, MaxOutput: 10}.Settle(said.Usage, said.Written)
		require.GreaterOrEqual(t, s.Input, 1)
	})
}

// TestKeyInParts: a key that is split over the parts of an answer is removed.
func TestKeyInParts(t *testing.T) {
	t.Parallel()
	const key = "sk-live-0123456789abcdefghijklmnopqrstuvwxyzABCD"
	r := safetext.NewRedactor([]string{key}, nil)
	for from := 1; from < len(key)-1; from++ {
		for to := from + 1; to < len(key); to += 5 {
			body := fmt.Sprintf(`{"choices":[{"message":{"content":[{"type":"text","text":"you sent %s"},%q,{"type":"text","text":%q}]}}]}`, key[:from], key[from:to], key[to:])
			said, err := chat.Read(r, r.Answer([]byte(body)))
			require.NoError(t, err)
			require.Equal(t, "you sent [key]", said.Text)
		}
	}
	whole, err := json.Marshal(key)
	require.NoError(t, err)
	for range 4 { // more levels of escaping than one pass decodes
		whole, err = json.Marshal(string(whole))
		require.NoError(t, err)
	}
	said, err := chat.Read(r, fmt.Appendf(nil, `{"model":%s,"choices":[{"finish_reason":%s,"message":{"content":%s,"refusal":%s}}]}`, whole, whole, whole, whole))
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%+v", said), key)
}
