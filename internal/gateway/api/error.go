package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

// Error is a failure that a caller is told. Handlers return it, or a fault.
type Error struct {
	Status     int
	Code       string        // for programs: "model_not_found"
	Message    string        // what failed, why, what to do
	Param      string        // field of the request that is wrong
	RetryAfter time.Duration // 0 = not said
	Final      bool          // the same request fails again, whatever the status suggests
	Err        error         // cause, for the log only
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail makes an Error.
func Fail(status int, code, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

// BadField is the error of a field of a request.
func BadField(param, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_value", Message: message, Param: param}
}

// Body is the error document: that of OpenAI, and the key detail of Cogniverse's services.
type Body struct {
	Error  ErrorBody `json:"error"`
	Detail string    `json:"detail" jsonschema:"the message again, as Cogniverse's callers read it"`
}

// ErrorBody is the error of OpenAI's document.
type ErrorBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// kind is the type of OpenAI's document.
func (e *Error) kind() string {
	switch {
	case e.Code == CodeBudget:
		return CodeBudget
	case e.Status == http.StatusUnauthorized:
		return "authentication_error"
	case e.Status == http.StatusForbidden:
		return "permission_error"
	case e.Status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case e.Status >= http.StatusInternalServerError:
		return "server_error"
	}
	return "invalid_request_error"
}

// Document is the error as a document.
func (e *Error) Document() Body {
	b := Body{Error: ErrorBody{Message: e.Message, Type: e.kind(), Code: e.Code}, Detail: e.Message}
	if e.Param != "" {
		b.Error.Param = &e.Param
	}
	return b
}

// Codes of errors that clients handle.
const (
	CodeBudget   = "insufficient_quota" // as OpenAI's clients know it
	CodeBusy     = "overloaded"
	CodeDraining = "draining"
	// CodeUnfinished is of a job whose result comes later.
	CodeUnfinished = "job_not_finished"
)

// retrySoon is what a caller waits if nobody knows better.
const retrySoon = 5 * time.Second

// Told wraps the failure of an answer that had begun, and that ended with an event which says so.
type Told struct{ Err error } //nolint:errname // it says that nothing is left to do; the failure is Err

func (t *Told) Error() string { return t.Err.Error() }

// Unwrap returns the failure.
func (t *Told) Unwrap() error { return t.Err }

// Of is what a caller is told about an error. A fault's class decides the status: it says whether
// the caller, a person here, or time can fix it.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Error{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Message: "the request is larger than this route accepts", Err: err}
	}
	e := &Error{Status: http.StatusInternalServerError, Code: "internal_error", Message: "internal error; the log of the gateway has the cause, by the request id", Err: err}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			e.Status, e.Code, e.Message = http.StatusServiceUnavailable, "canceled", "the request was cut"
		}
		return e
	}
	e.Message = safetext.Line(f.Error(), safetext.MaxMessage)
	e.RetryAfter = fault.RetryAfter(err)
	switch f.Class {
	case fault.Input:
		e.Status, e.Code = http.StatusBadRequest, "invalid_request"
	case fault.Auth: // of the gateway, not of the caller
		e.Status, e.Code = http.StatusBadGateway, "upstream_auth"
	case fault.Overload, fault.Capacity:
		e.Status, e.Code, e.RetryAfter = http.StatusServiceUnavailable, CodeBusy, max(e.RetryAfter, retrySoon)
	case fault.Preempted:
		e.Status, e.Code, e.RetryAfter = http.StatusServiceUnavailable, CodeDraining, max(e.RetryAfter, time.Second)
	case fault.Transport:
		e.Status, e.Code = http.StatusBadGateway, "upstream_failed"
	case fault.Budget:
		e.Status, e.Code, e.Final = http.StatusTooManyRequests, CodeBudget, true
	}
	return e
}

// Write answers a request with an error.
func Write(w http.ResponseWriter, e *Error) {
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Cache-Control", "Etag"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/json")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if e.Final { // OpenAI's clients retry 429 unless they are told
		h.Set("X-Should-Retry", "false")
	}
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	WriteJSON(w, e.Status, e.Document())
}

// WriteJSON answers a request with a document. It is written at once, so that a failure to encode it
// is an error of the server and not half an answer.
func WriteJSON(w http.ResponseWriter, status int, document any) {
	data, err := json.Marshal(document)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the client may be gone
}
