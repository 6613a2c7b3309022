// Package clock pins the time that a training job reads. It knows no trainer.
package clock

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Pin returns the time that the chat templates of a job read: that of its first attempt, in
// all attempts. A template that writes the date would give other weights after midnight. A
// job that an earlier build began without a clock continues without one: "".
func Pin(ctx context.Context, store activities.Store, of tenant.ID, job string, begun bool, now func() time.Time) (string, error) {
	var pinned training.Clock
	key := training.ClockKey(of, job)
	switch err := activities.ReadJSON(ctx, store, key, &pinned); {
	case err == nil:
		return pinned.Time, nil
	case !activities.Absent(err):
		return "", err
	case begun:
		return "", nil
	}
	if now == nil {
		now = time.Now
	}
	pinned.Time = now().UTC().Format(time.RFC3339)
	if err := activities.KeepFirst(ctx, store, key, pinned); err != nil {
		return "", err
	}
	return pinned.Time, activities.ReadJSON(ctx, store, key, &pinned)
}
