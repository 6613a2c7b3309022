// Package tensorboard keeps the scalars of training jobs in the object store as TensorBoard reads
// them. A file is derived from the stored events of its job, never appended to: it has each step
// once, whatever attempts died.
package tensorboard

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/history"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Update writes the event file of a job as far as the job is stored, and returns it with its name,
// the folder included. No data = nothing is stored.
func Update(ctx context.Context, s activities.Store, t tenant.ID, job string) (name string, data []byte, err error) {
	events, err := history.Of(ctx, s, t, job)
	if err != nil || len(events) == 0 {
		return "", nil, err
	}
	began, err := start(ctx, s, t, job)
	if err != nil {
		return "", nil, err
	}
	name, data = fmt.Sprintf("%sevents.out.tfevents.%d.%s", training.TensorBoardFolder, began.Unix(), job), Encode(began, events)
	_, err = s.Put(ctx, training.JobPrefix(t, job)+name, bytes.NewReader(data))
	return name, data, err
}

// start is when the first attempt of a job began. It is not known of jobs of former builds, whose
// times count from 1970.
func start(ctx context.Context, s activities.Store, t tenant.ID, job string) (time.Time, error) {
	var pinned training.Clock
	key := training.ClockKey(t, job)
	if err := activities.ReadJSON(ctx, s, key, &pinned); activities.Absent(err) {
		return time.Unix(0, 0), nil
	} else if err != nil {
		return time.Time{}, err
	}
	began, err := time.Parse(time.RFC3339, pinned.Time)
	return began, fault.Wrap(fault.Input, "read clock", key, err)
}
