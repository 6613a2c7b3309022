package answer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// reported finds an error in an answer with status 200: {"error": …}, or vLLM's {"object":
// "error"}. status is the status in the error, or the one that its message means; 0 = none.
func (c *Client) reported(data []byte) (text string, status int) {
	var answer struct {
		Object json.RawMessage `json:"object"`
		Error  json.RawMessage `json:"error"`
		Code   json.RawMessage `json:"code"`
	}
	if json.Unmarshal(single(data), &answer) != nil {
		return "", 0
	}
	if string(answer.Object) != `"error"` && blank(answer.Error) {
		return "", 0
	}
	var inner struct {
		Code   json.RawMessage `json:"code"`
		Status json.RawMessage `json:"status"`
	}
	_ = json.Unmarshal(answer.Error, &inner) // an error that is a string has neither
	said := message(data)
	text = c.excerpt(said)
	for _, code := range []json.RawMessage{inner.Code, inner.Status, answer.Code} {
		if n, err := strconv.Atoi(strings.Trim(string(code), `"`)); err == nil && n >= 400 && n <= 599 {
			return text, n
		}
	}
	switch {
	case Says(said, busy()) && !tooLargeForever(said):
		return text, http.StatusTooManyRequests
	case refused(said):
		return text, http.StatusBadRequest
	}
	return text, 0
}

// single unwraps a list of one document, the form of Gemini's errors.
func single(data []byte) []byte {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) == nil && len(list) == 1 {
		return list[0]
	}
	return data
}

// blank reports whether the field has no error: it is missing or empty, or reports success.
// Some servers set it in every answer.
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

// message finds the server's message in the known forms; otherwise it returns the whole answer.
// A part of the request that the server repeats is not included.
func message(data []byte) string {
	var shapes struct {
		Error   json.RawMessage `json:"error"`
		Errors  json.RawMessage `json:"errors"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
		Msg     json.RawMessage `json:"msg"`
		Type    string          `json:"__type"`
	}
	data = single(data)
	if json.Unmarshal(data, &shapes) != nil {
		return string(data)
	}
	var all []string
	for _, part := range []json.RawMessage{shapes.Error, shapes.Errors, shapes.Message, shapes.Detail, shapes.Msg} {
		if text := said(part, maxNested); text != "" && !slices.Contains(all, text) {
			all = append(all, text) // NestJS has the reason in "message", and the status in "error"
		}
	}
	if len(all) == 0 {
		return string(data)
	}
	return withCode(shapes.Type, strings.Join(all, ": "))
}

const maxNested = 4 // errors in errors

// said is the text of an error: a string, an object with a message, or a list of these.
// Gateways add the error of the server behind them, as another field or as JSON in a string.
func said(part json.RawMessage, deep int) string {
	var text string
	if deep == 0 || len(part) == 0 || string(part) == "null" {
		return ""
	}
	if json.Unmarshal(part, &text) == nil {
		if inner := strings.TrimSpace(text); strings.HasPrefix(inner, "{") && json.Valid([]byte(inner)) {
			return message([]byte(inner))
		}
		return text
	}
	var list []json.RawMessage
	if json.Unmarshal(part, &list) == nil {
		var all []string
		for _, one := range list[:min(len(list), 8)] {
			if text := said(one, deep-1); text != "" {
				all = append(all, text)
			}
		}
		return strings.Join(all, "; ")
	}
	var one nested
	if json.Unmarshal(part, &one) != nil {
		return ""
	}
	for _, inner := range []json.RawMessage{one.Message, one.Msg, one.Detail, one.Error} {
		if text = said(inner, deep-1); text != "" {
			break
		}
	}
	for _, inner := range []json.RawMessage{one.Metadata.Raw, one.Cause, one.Details, one.Inner, one.Upstream} {
		if why := said(inner, deep-1); why != "" && !strings.Contains(text, why) {
			text += ": " + why
		}
	}
	if text = strings.TrimPrefix(text, ": "); text == "" {
		return ""
	}
	if why, _ := one.Param.(string); strings.Contains(why, " ") {
		text += ": " + why
	}
	if len(one.Where) > 0 {
		text = strings.Trim(strings.ReplaceAll(fmt.Sprint(one.Where), " ", "."), "[]") + ": " + text
	}
	code, _ := one.Code.(string)
	return withCode(code, text)
}

// nested is an error in an answer. Gateways say only that the provider refuses, and have its reason
// in another field.
type nested struct {
	Message  json.RawMessage `json:"message"`
	Msg      json.RawMessage `json:"msg"`
	Detail   json.RawMessage `json:"detail"`
	Error    json.RawMessage `json:"error"`
	Code     any             `json:"code"`
	Where    []any           `json:"loc"`            // pydantic
	Param    any             `json:"param"`          // the name of a parameter; of Xiaomi, what is wrong with it
	Cause    json.RawMessage `json:"cause"`          // of the server behind a gateway
	Details  json.RawMessage `json:"details"`        // Azure
	Inner    json.RawMessage `json:"innererror"`     // Azure
	Upstream json.RawMessage `json:"upstream_error"` // of the server behind a gateway
	Metadata struct {
		Raw json.RawMessage `json:"raw"` // OpenRouter: what the provider says
	} `json:"metadata"`
}

func withCode(code, text string) string {
	if code == "" {
		return text
	}
	return code + ": " + text
}

// excerpt is the beginning of a server's message, on one line.
func (c *Client) excerpt(text string) string {
	const longest, read = 300, 64 << 10 // read more than is shown, to find a key at the end
	text = c.options.Redactor.Reply(text[:min(len(text), read)], longest)
	if text == "" {
		return "(empty)"
	}
	return strconv.Quote(text)
}
