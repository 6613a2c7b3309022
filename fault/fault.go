// Package fault classifies what can go wrong. A class says who has to act and whether
// trying again can help. Adapters return faults. activities/errors.go turns the faults
// of activities into Temporal errors and decides their retries by class;
// internal/broker decides those of model calls. It knows no Temporal and no adapter.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Class is one row of the error table in the design. The zero value stands for an
// unclassified error: a bug or an outage, retried a few times.
type Class string

// The classes, from "the caller must change something" to "wait".
const (
	Input     Class = "input"     // corrupt media, or an invalid row or field: not retried
	Auth      Class = "auth"      // rejected or missing credentials: not retried
	Overload  Class = "overload"  // 429 and 503: retried after a wait, without using up an attempt
	Capacity  Class = "capacity"  // full disk, blocked feed, no worker: waits and continues by itself
	Transport Class = "transport" // reset, timeout, 500, truncated answer: retried with jitter
	Preempted Class = "preempted" // the worker is stopping: continued elsewhere, not counted as an attempt
	Budget    Class = "budget"    // the hard limit is reached: pauses before spending
)

// Error is a classified failure.
type Error struct {
	Class      Class
	Op         string        // what failed: "probe video"
	Subject    string        // the file, line, model or key; empty if none
	Reason     string        // why, for a person; empty if Err says it
	RetryAfter time.Duration // the earliest useful moment to try again; 0 = unknown
	Err        error         // the cause; may be nil
}

// Error reads "op "subject": reason: cause". The subject is quoted because it can be any
// file name.
func (e *Error) Error() string {
	text := e.Op
	if e.Subject != "" {
		text += fmt.Sprintf(" %q", e.Subject)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrNotServed is the cause of an input fault about the endpoint: it has no such path or
// model, whatever it is asked about.
var ErrNotServed = errors.New("check the URL and the model of the endpoint")

// New returns a fault without a cause. Packages use it for their sentinels.
func New(class Class, op, subject, reason string) *Error {
	return &Error{Class: class, Op: op, Subject: subject, Reason: reason}
}

// Wrap classifies err. It returns nil for nil, and err unchanged when it is a cancellation
// (which is not a failure) or already classified.
func Wrap(class Class, op, subject string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || ClassOf(err) != "" {
		return err
	}
	return &Error{Class: class, Op: op, Subject: subject, Err: err}
}

// ClassOf returns the class of the outermost fault in err's chain, or "".
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return ""
}

// RetryAfter returns how long the outermost fault asks to wait; 0 = unknown.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
