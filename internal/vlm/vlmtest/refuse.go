package vlmtest

import (
	"archive/zip"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Refuse makes a batch with one of these pictures fail with status 400.
func (s *Server) Refuse(tb testing.TB, pictures ...[]byte) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = map[string]bool{}
	for _, picture := range pictures {
		text, err := Caption(picture)
		require.NoError(tb, err)
		s.refused[text] = true
	}
}

// refuses reports whether a picture makes its batch fail.
func (s *Server) refuses(picture []byte) bool {
	text, err := Caption(picture)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && s.refused[text]
}

// unzipped returns the content of a file; nil if it cannot be read.
func unzipped(f *zip.File) []byte {
	content, err := f.Open()
	if err != nil {
		return nil
	}
	defer content.Close()
	data, _ := io.ReadAll(content)
	return data
}
