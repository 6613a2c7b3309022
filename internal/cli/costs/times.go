package costs

import (
	"time"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/money"
)

// moment reads a time of a flag; see money.Moment.
func moment(flag, text string, now time.Time) (time.Time, error) {
	t, err := money.Moment(text, now)
	if err != nil {
		return t, cli.Usage("--%s %v", flag, err)
	}
	return t, nil
}
