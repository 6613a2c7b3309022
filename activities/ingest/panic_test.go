package ingest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/panics"
)

// TestPanicEndsTheActivityOnly: a panic in an activity, its heartbeat details or its goroutines
// fails only that activity, with an error without a class.
func TestPanicEndsTheActivityOnly(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(ctx context.Context) error{
		"itself": func(context.Context) error { panic("unthought of") },
		"heartbeat": func(ctx context.Context) error {
			activities.HeartbeatDetails(ctx, func() any { panic("unthought of") })
			<-ctx.Done()
			return ctx.Err()
		},
		"beside": func(ctx context.Context) error {
			group, _ := panics.WithContext(ctx)
			group.Go(func() error { panic("unthought of") })
			return group.Wait()
		},
		"each": func(context.Context) error {
			return panics.Each([]int{1, 2, 3}, func(int) error { panic("unthought of") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLifecycleTest(t, 0)
			l.env.RegisterActivity(act)
			_, err := l.env.ExecuteActivity(act)
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, activities.ErrorType, app.Type())
			require.ErrorContains(t, err, "internal error: unthought of")
			require.False(t, app.NonRetryable())
		})
	}
}
