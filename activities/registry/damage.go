package registry

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
)

// damagedError wraps the fault of a version of which a file cannot be read: it lost its
// checksum, does not have it, is missing or is not JSON. Lists go on without such a version.
type damagedError struct{ error }

func (e *damagedError) Unwrap() error { return e.error }

func isDamaged(err error) bool {
	_, ok := errors.AsType[*damagedError](err)
	return ok
}

// damage is the error of a file of a version or a role: a damagedError if its content is
// at fault.
func damage(op, subject string, err error) error {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	if !activities.Absent(err) && !syntax && !kind {
		return err
	}
	return &damagedError{&fault.Error{
		Class: fault.Input, Op: op, Subject: subject,
		Reason: "one of its files is damaged; find it with cogflow store check, and repair or restore it", Err: err,
	}}
}

func reference(name string, version int) string { return fmt.Sprintf("%s@%d", name, version) }
