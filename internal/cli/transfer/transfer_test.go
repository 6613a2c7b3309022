package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

// TestHashChecker: a file that changes while it is read is not stored under its old hash.
func TestHashChecker(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("old"))
	s := &hashChecker{r: strings.NewReader("new"), sum: sha256.New(), want: hex.EncodeToString(sum[:]), name: "x.jsonl"}
	var into bytes.Buffer
	_, err := into.ReadFrom(s)
	require.ErrorContains(t, err, "it changed while it was read")
	s = &hashChecker{r: strings.NewReader("old"), sum: sha256.New(), want: hex.EncodeToString(sum[:])}
	_, err = into.ReadFrom(s)
	assert.NoError(t, err)
}

func TestProgressOfLargeFiles(t *testing.T) {
	t.Parallel()
	var log, terminal clitest.Output
	now := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	m := withProgress(t.Context(), cli.NewLines(&log, func() time.Time { return now }), strings.NewReader("abc"), "upload x", largeFile)
	now = now.Add(5 * time.Second)
	_, err := new(bytes.Buffer).ReadFrom(m)
	require.NoError(t, err)
	assert.Equal(t, "03:04:05 upload x: 3 B of 32 MiB\n", log.String())
	b := cli.NewBars(&terminal)
	_, err = new(bytes.Buffer).ReadFrom(withProgress(t.Context(), b, strings.NewReader("abc"), "upload x", largeFile))
	require.NoError(t, err)
	b.End()
}
