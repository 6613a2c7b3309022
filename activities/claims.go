package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

// Claims make sure that only one workflow at a time does a piece of work, whatever ids
// callers chose: a conditionally created object names the workflow that holds the claim.
type Claims struct {
	Store Store
	Runs  Runs
	What  string // "video", "training job": for messages
}

// ClaimWait is the time between two looks at a claim that another workflow holds. Temporal
// waits, so it occupies no slot and adds nothing to the history.
const ClaimWait = 2 * time.Second

// HeldError wraps the fault of a claim that another workflow holds. It has the class
// capacity, but ends without any action when the other workflow ends.
type HeldError struct{ error }

func (e *HeldError) Unwrap() error { return e.error }

// Take takes the claim for this workflow. It takes over a claim of a workflow that no
// longer runs, and returns a capacity fault for one of a workflow that runs. A repeated
// attempt finds the claim of the first.
func (c Claims) Take(ctx context.Context, key string) (video.Claim, error) {
	me := activity.GetInfo(ctx).WorkflowExecution
	mine := video.Claim{Workflow: me.ID, Run: me.RunID, Number: 1}
	err := CreateJSON(ctx, c.Store, key, mine)
	if !errors.Is(err, object.ErrExists) {
		return mine, err
	}
	why := &fault.Error{
		Class: fault.Capacity, Op: "claim " + c.What, Subject: key,
		Reason: "claimed by another workflow; waiting until it ends", RetryAfter: ClaimWait,
	}
	held := &HeldError{why}
	holder, sum, err := c.read(ctx, key)
	switch {
	case errors.Is(err, object.ErrNotFound):
		return mine, held // just released
	case err != nil:
		return mine, err
	case holder.Workflow == me.ID && holder.Run == me.RunID:
		return holder, nil
	}
	open, err := c.open(ctx, holder, me.ID)
	if err != nil {
		return mine, err
	}
	if open {
		why.Reason = claimedBy + holder.Workflow + claimedUntil
		return mine, held
	}
	mine.Number = holder.Number + 1
	return mine, c.replace(ctx, key, sum, mine, held)
}

// The reason of a claim that a workflow holds.
const (
	claimedBy    = "claimed by workflow "
	claimedUntil = "; waiting until it ends"
)

// HolderOf is the workflow that holds the claim, as the failure of Take says; "" = it is the
// failure of something else.
func HolderOf(failure string) string {
	_, rest, _ := strings.Cut(failure, claimedBy)
	holder, _, ok := strings.Cut(rest, claimedUntil)
	if !ok {
		return ""
	}
	return holder
}

// open reports whether the holder of a claim may still be running. Another run of this
// workflow has ended, unless this activity belongs to an earlier one. Of another workflow,
// only the run that claimed counts, with those that continue it: anyone may start a run
// under its id later. Former builds did not store the run; then the current one counts.
func (c Claims) open(ctx context.Context, holder video.Claim, me string) (bool, error) {
	switch {
	case holder.Workflow == "" || holder.Workflow == me && holder.Run == "":
		return false, nil
	case holder.Workflow == me:
		return c.Runs.Running(ctx, me, holder.Run)
	case holder.Run == "":
		return c.Runs.Running(ctx, holder.Workflow, "")
	default:
		return c.Runs.ChainRunning(ctx, holder.Workflow, holder.Run)
	}
}

// Renumber raises the number of a claim that this workflow holds.
func (c Claims) Renumber(ctx context.Context, key string, claim video.Claim, number int64) (video.Claim, error) {
	holder, sum, err := c.read(ctx, key)
	if err != nil {
		return claim, err
	}
	lost := c.Lost(key, holder)
	if holder != claim {
		return claim, lost
	}
	claim.Number = number
	return claim, c.replace(ctx, key, sum, claim, lost)
}

// replace overwrites a claim if it has not changed; otherwise it returns changed.
func (c Claims) replace(ctx context.Context, key, sum string, claim video.Claim, changed error) error {
	data, err := json.Marshal(claim)
	if err != nil {
		return err
	}
	_, err = c.Store.Replace(ctx, key, sum, bytes.NewReader(data))
	if errors.Is(err, object.ErrChanged) || errors.Is(err, object.ErrNotFound) {
		return changed
	}
	return err
}

// read reads a claim together with its hash. A damaged claim has no holder.
func (c Claims) read(ctx context.Context, key string) (holder video.Claim, sum string, err error) {
	r, info, err := c.Store.Get(ctx, key)
	if err == nil {
		defer r.Close()
		var data []byte
		if data, err = io.ReadAll(r); err == nil {
			return holder, info.SHA256, fault.Wrap(fault.Input, "read object", key, json.Unmarshal(data, &holder))
		}
	}
	if errors.Is(err, object.ErrCorrupt) {
		return video.Claim{}, info.SHA256, nil
	}
	return video.Claim{}, "", err
}

// Lost is the fault of a workflow whose claim another has taken over.
func (c Claims) Lost(key string, holder video.Claim) error {
	reason := "this workflow does not hold its claim any more; start it again"
	if holder.Workflow != "" {
		reason = "workflow " + holder.Workflow + " has taken over its claim; nothing is changed here"
	}
	return fault.New(fault.Input, "continue "+c.What, key, reason)
}

// Release releases a claim if this workflow holds it; see Holds. A claim that another
// workflow has taken over meanwhile stays: only the claim that was read is removed. If the
// store has no conditional delete, a claim without a holder is written over it.
func (c Claims) Release(ctx context.Context, key string, number int64) error {
	holder, sum, mine, err := c.mine(ctx, key, number)
	if !mine {
		return err
	}
	err = c.Store.DeleteIf(ctx, key, sum)
	switch {
	case errors.Is(err, object.ErrChanged):
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return c.replace(ctx, key, sum, video.Claim{Number: holder.Number}, nil)
	}
	return err
}

// Holds reports whether this workflow holds a claim under the given number (0 = any number:
// an earlier build took it, or nothing is fenced).
func (c Claims) Holds(ctx context.Context, key string, number int64) (video.Claim, bool, error) {
	holder, _, mine, err := c.mine(ctx, key, number)
	return holder, mine, err
}

func (c Claims) mine(ctx context.Context, key string, number int64) (holder video.Claim, sum string, mine bool, err error) {
	holder, sum, err = c.read(ctx, key)
	if Absent(err) {
		return holder, sum, false, nil
	}
	mine = holder.Workflow == activity.GetInfo(ctx).WorkflowExecution.ID && (number == 0 || holder.Number == number)
	return holder, sum, err == nil && mine, err
}

// Released reports whether a claim has no holder any more; see Release.
func (c Claims) Released(ctx context.Context, key string) (bool, error) {
	holder, _, err := c.read(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return true, nil
	}
	return err == nil && holder.Workflow == "" && holder.Number > 0, err
}
