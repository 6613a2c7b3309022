package sqlite

import (
	"testing"

	"github.com/cogniverse/cogflow/internal/dbfile/dbfiletest"
)

// TestFormerBuildsOpenTheIndex: they neither refuse the file nor miss anything.
func TestFormerBuildsOpenTheIndex(t *testing.T) {
	t.Parallel()
	dbfiletest.Additive(t, kind())
}
