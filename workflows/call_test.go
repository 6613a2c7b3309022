package workflows

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows/flowtest"
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

// TestUnservedClassIsRemembered: a class without a worker is waited for once, and tried again after a while. Each stage
// has queues of its own.
func TestUnservedClassIsRemembered(t *testing.T) {
	t.Parallel()
	const wait = 10 * time.Minute
	tried := map[string]int{}
	served := false
	ask := func(ctx context.Context, _ int) (string, error) {
		queue := activity.GetInfo(ctx).TaskQueue
		tried[queue]++
		if queue != ClassQueue(StemEmbed, "cpu") && !served {
			return "", temporal.NewTimeoutError(enums.TIMEOUT_TYPE_SCHEDULE_TO_START, nil)
		}
		return queue, nil
	}
	flow := func(ctx workflow.Context) error {
		c := NewCaller(Common{})
		chunk := func(stem, want string) error {
			got, err := CallOnClass(ctx, c, stem, []string{"h100", "a10g", "cpu"}, wait, "embed", ask, 1)
			if err == nil && got != ClassQueue(stem, want) {
				err = errors.New("it ran on " + got + " and not on " + want)
			}
			return err
		}
		for range 3 {
			if err := chunk(StemEmbed, "cpu"); err != nil {
				return err
			}
		}
		if err := workflow.Sleep(ctx, unservedFor*wait); err != nil {
			return err
		}
		if err := chunk(StemEmbed, "cpu"); err != nil {
			return err
		}
		served = true
		if err := errors.Join(chunk(StemEmbed, "cpu"), workflow.Sleep(ctx, unservedFor*wait)); err != nil {
			return err
		}
		return errors.Join(chunk(StemEmbed, "h100"), chunk(StemEmbed, "h100"), chunk(StemDescribe, "h100"))
	}
	env := flowtest.NewEnvironmentWith() // without interceptors, which would see the timeout; the server reports it
	env.RegisterActivity(ask)
	env.RegisterWorkflow(flow)
	env.ExecuteWorkflow(flow)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, map[string]int{
		ClassQueue(StemEmbed, "h100"): 4, ClassQueue(StemEmbed, "a10g"): 2, ClassQueue(StemEmbed, "cpu"): 5, ClassQueue(StemDescribe, "h100"): 1,
	}, tried)
}
