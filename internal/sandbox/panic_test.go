package sandbox

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestListenerPanics: a panic while a child's stderr is read ends the child and becomes its error.
func TestListenerPanics(t *testing.T) {
	t.Parallel()
	protections(t, func(t *testing.T, s *Sandbox) {
		c := shell(t, "echo word >&2; exec sleep 1000")
		c.Stderr = func(string) { panic("unreadable") }
		_, err := s.Run(t.Context(), c, 0)
		require.ErrorContains(t, err, "internal error: unreadable")
	})
}
