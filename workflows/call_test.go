package workflows

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
)

// TestReasonIsWholeCharacters: a message that is cut within a character is not
// valid UTF-8, which the server refuses, so that the task would fail for ever.
func TestReasonIsWholeCharacters(t *testing.T) {
	t.Parallel()
	for shift := range 8 {
		for _, char := range []string{"é", "車", "🚋", "\xff", "\x1b[31m"} {
			text := strings.Repeat("a", shift) + strings.Repeat(char, 600)
			for _, err := range []error{
				errors.New(text), temporal.NewApplicationError(text, "input"), fault.New(fault.Input, "describe", "x", text),
			} {
				require.True(t, utf8.ValidString(Reason(err)))
				require.LessOrEqual(t, utf8.RuneCountInString(Reason(err)), 500)
				require.True(t, utf8.ValidString(Staged("extract", err).Error()))
				require.True(t, utf8.ValidString(Typed(fault.New(fault.Input, "describe", "x", text)).Error()))
			}
		}
	}
}
