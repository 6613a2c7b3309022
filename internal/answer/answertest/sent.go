package answertest

import (
	"time"

	"github.com/cogniverse/cogflow/money"
)

// SentInTime doubles the timeout of a call until the call is sent within it, which takes long on a
// busy machine.
func SentInTime(call func(timeout time.Duration) error) error {
	for timeout := 100 * time.Millisecond; ; timeout *= 2 {
		if err := call(timeout); !money.Unsent(err) || timeout > time.Minute {
			return err
		}
	}
}
