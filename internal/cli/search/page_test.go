package search

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	searchreport "github.com/cogniverse/cogflow/internal/report/search"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestAbout: a page lists the distinct values of its searches, and the first run.
func TestAbout(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	one := ingest.Searched{Profile: "p", Describe: "d 1", Embed: "e 1", Index: "Vespa", Version: "1.0", Run: "run-1", Time: at}
	assert.Equal(t, searchreport.Searched{Profile: "p", Describe: "d 1", Embed: "e 1", Index: "Vespa", Version: "1.0", Run: "run-1", Time: at}, about([]*ingest.Searched{&one}))
	later, earlier := one, one
	later.Version, later.Run, later.Time = "1.1", "run-3", at.Add(time.Minute)
	earlier.Run, earlier.Time = "run-0", at.Add(-time.Minute)
	out := about([]*ingest.Searched{nil, &one, &later, &earlier})
	assert.Equal(t, "1.0, 1.1", out.Version)
	assert.Equal(t, "run-0 and 2 more searches", out.Run)
	assert.Equal(t, earlier.Time, out.Time)
	assert.Zero(t, about([]*ingest.Searched{nil}), "workers of earlier builds report nothing")
}
