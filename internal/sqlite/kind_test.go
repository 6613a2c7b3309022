package sqlite

import (
	"testing"

	"github.com/cogniverse/cogflow/internal/dbfile/dbfiletest"
)

// TestFormerBuildsOpenTheIndex: former builds can open the file and find all data.
func TestFormerBuildsOpenTheIndex(t *testing.T) {
	t.Parallel()
	dbfiletest.Additive(t, kind())
}
