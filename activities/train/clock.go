package train

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/training"
)

// clock pins the time that the chat templates of the job read: that of its first attempt, in
// all attempts. A template that writes the date would give other weights after midnight. A
// job that an earlier build began without a clock continues without one: "".
func (r *attempt) clock(ctx context.Context, begun bool) (string, error) {
	var pinned training.Clock
	key := training.ClockKey(r.in.Tenant, r.in.Job)
	switch err := activities.ReadJSON(ctx, r.a.Store, key, &pinned); {
	case err == nil:
		return pinned.Time, nil
	case !activities.Absent(err):
		return "", err
	case begun:
		return "", nil
	}
	now := time.Now
	if r.a.now != nil {
		now = r.a.now
	}
	pinned.Time = now().UTC().Format(time.RFC3339)
	if err := activities.KeepFirst(ctx, r.a.Store, key, pinned); err != nil {
		return "", err
	}
	return pinned.Time, activities.ReadJSON(ctx, r.a.Store, key, &pinned)
}
