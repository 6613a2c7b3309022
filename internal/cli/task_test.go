package cli_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

func TestTask(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	count := func(v cli.View) {
		task := cli.NewTask(v, "searches")
		for i := range 3 {
			now = now.Add(5 * time.Second)
			task.Set(i+1, 3, "", fmt.Sprintf("%d/3 searches", i+1))
		}
		task.Set(3, 3, "", "too soon")
		v.End()
	}
	var log, terminal clitest.Output
	count(cli.NewLines(&log, func() time.Time { return now }))
	assert.Equal(t, "03:04:05 1/3 searches\n03:04:10 2/3 searches\n03:04:15 3/3 searches\n", log.String())
	count(cli.NewBars(&terminal)) // returns, although the bar is full
}
