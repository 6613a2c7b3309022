package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

// claims make sure that one workflow at a time does a thing, whatever ids
// callers chose: an object, created conditionally, names the workflow that may.
type claims struct {
	store Store
	runs  Runs
	what  string // "video", "training job": for messages
}

func (a *Ingest) claims() claims { return claims{a.Store, a.Runs, "video"} }

// claimWait is how often a workflow looks again at a claim that another holds.
// The wait is Temporal's, so it holds no slot and adds nothing to the history.
const claimWait = 2 * time.Second

// take claims for this workflow. A claim of a workflow that is no longer
// running is taken over; of one that runs, a capacity fault says so.
func (c claims) take(ctx context.Context, key string) error {
	me := activity.GetInfo(ctx).WorkflowExecution.ID
	mine, err := json.Marshal(video.Claim{Workflow: me})
	if err != nil {
		return err
	}
	_, err = c.store.Create(ctx, key, bytes.NewReader(mine))
	if !errors.Is(err, object.ErrExists) {
		return err
	}
	held := &fault.Error{
		Class: fault.Capacity, Op: "claim " + c.what, Subject: key,
		Reason: "another workflow is at it; waiting for that to end", RetryAfter: claimWait,
	}
	info, err := c.store.Stat(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return held // released this moment
	}
	if err != nil {
		return err
	}
	var holder video.Claim
	switch err := readJSON(ctx, c.store, key, &holder); {
	case errors.Is(err, object.ErrNotFound):
		return held
	case err != nil && !errors.Is(err, object.ErrCorrupt):
		return err
	}
	if holder.Workflow == me {
		return nil
	}
	if holder.Workflow != "" {
		running, err := c.runs.Running(ctx, holder.Workflow, "")
		if err != nil {
			return err
		}
		if running {
			held.Reason = "workflow " + holder.Workflow + " is at it; waiting for that to end"
			return held
		}
	}
	_, err = c.store.Replace(ctx, key, info.SHA256, bytes.NewReader(mine))
	if errors.Is(err, object.ErrChanged) || errors.Is(err, object.ErrNotFound) {
		return held
	}
	return err
}

// release gives a claim back if this workflow holds it.
func (c claims) release(ctx context.Context, key string) error {
	if mine, err := c.holds(ctx, key); !mine {
		return err
	}
	return c.store.Delete(ctx, key)
}

// holds reports whether this workflow holds a claim.
func (c claims) holds(ctx context.Context, key string) (bool, error) {
	var holder video.Claim
	err := readJSON(ctx, c.store, key, &holder)
	if absent(err) {
		return false, nil // a torn claim is nobody's: the next workflow replaces it
	}
	return err == nil && holder.Workflow == activity.GetInfo(ctx).WorkflowExecution.ID, err
}

func deletePrefix(ctx context.Context, s Store, prefix string) (int, error) {
	deleted := 0
	err := s.List(ctx, prefix, func(o object.Info) error {
		deleted++
		return s.Delete(ctx, o.Key)
	})
	return deleted, err
}
