package answer

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// reported finds an error in an answer with status 200: {"error": …}, or vLLM's {"object":
// "error"}. status is the status in the error; 0 = none.
func (c *Client) reported(data []byte) (text string, status int) {
	var answer struct {
		Object json.RawMessage `json:"object"`
		Error  json.RawMessage `json:"error"`
		Code   json.RawMessage `json:"code"`
	}
	if json.Unmarshal(data, &answer) != nil {
		return "", 0
	}
	if string(answer.Object) != `"error"` && blank(answer.Error) {
		return "", 0
	}
	var inner struct {
		Code   json.RawMessage `json:"code"`
		Status json.RawMessage `json:"status"`
	}
	_ = json.Unmarshal(answer.Error, &inner) // an error that is a text has neither
	for _, code := range []json.RawMessage{inner.Code, inner.Status, answer.Code} {
		if n, err := strconv.Atoi(strings.Trim(string(code), `"`)); err == nil && n >= 400 && n <= 599 {
			return c.message(data), n
		}
	}
	if text = c.message(data); says(text, busy()) {
		return text, http.StatusTooManyRequests
	}
	return text, 0
}

// blank reports whether an answer has no error: the field is missing or empty, or reports
// success. Some servers fill it in every answer.
func blank(field json.RawMessage) bool {
	var v any
	return len(field) == 0 || json.Unmarshal(field, &v) == nil && nothing(v)
}

func nothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0 || v == http.StatusOK
	case string:
		return slices.Contains([]string{"", "0", "200", "ok", "success", "none", "null", "false"}, strings.ToLower(strings.TrimSpace(v)))
	case []any:
		return !slices.ContainsFunc(v, func(one any) bool { return !nothing(one) })
	case map[string]any:
		for _, one := range v {
			if !nothing(one) {
				return false
			}
		}
		return true
	}
	return false
}

func says(text string, all []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(all, func(words string) bool { return strings.Contains(text, words) })
}

// busy lists how gateways report 429 with status 200.
func busy() []string {
	return []string{"rate limit", "rate_limit", "rate-limit", "too many requests", "overloaded"}
}

// message finds the server's message in the known forms.
func (c *Client) message(data []byte) string {
	var shapes struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(data, &shapes) != nil {
		return c.excerpt(data)
	}
	var inner struct {
		Message string `json:"message"`
		Code    any    `json:"code"`
	}
	var text string
	switch {
	case json.Unmarshal(shapes.Error, &inner) == nil && inner.Message != "":
		if code, ok := inner.Code.(string); ok && code != "" {
			return c.excerpt([]byte(code + ": " + inner.Message))
		}
		return c.excerpt([]byte(inner.Message))
	case json.Unmarshal(shapes.Error, &text) == nil && text != "":
		return c.excerpt([]byte(text))
	case shapes.Message != "":
		return c.excerpt([]byte(shapes.Message))
	case json.Unmarshal(shapes.Detail, &text) == nil && text != "":
		return c.excerpt([]byte(text))
	}
	return c.excerpt(data)
}

// excerpt is the beginning of a server's message, on one line.
func (c *Client) excerpt(data []byte) string {
	const longest, read = 300, 64 << 10 // read more than is shown, to find a key at the end
	text := c.options.Redactor.Reply(string(data[:min(len(data), read)]), longest)
	if text == "" {
		return "(empty)"
	}
	return strconv.Quote(text)
}
