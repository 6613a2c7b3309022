package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities/train/checkpoints"
	"github.com/cogniverse/cogflow/activities/train/history"
	"github.com/cogniverse/cogflow/activities/train/untrusted"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
)

// A checkpoint that is complete on this disk but not yet in the store is kept outside the
// work directory: a worker that is killed and started again on the same disk loses only the
// steps since the last checkpoint.

// keptName is the prefix of the directories of Kept, one per job.
const keptName = "kept-"

// keptFor is how long a checkpoint is kept for its job on this disk.
const keptFor = 24 * time.Hour

func (r *attempt) keptDir() string {
	return filepath.Join(r.a.Kept, keptName+string(r.in.Tenant)+"-"+r.in.Job)
}

// keep moves a complete checkpoint from the work directory to a place that outlives this
// process, with the events up to its step. The name is unique per attempt, because one that
// was given up may still be running beside its successor.
func (r *attempt) keep(name string, step int) (localCheckpoint, error) {
	c := localCheckpoint{dir: filepath.Join(r.keptDir(), fmt.Sprintf("%08d-%s", step, r.token)), step: step}
	lines, err := history.Encode(r.events)
	if err != nil {
		return c, err
	}
	moved, err := untrusted.TakeOut(r.work, name, r.dir)
	if err != nil {
		return c, err
	}
	defer func() { _ = os.Remove(filepath.Dir(moved)) }() // empty, unless this fails
	if err = writeBeside(moved, lines); err == nil {
		err = os.MkdirAll(r.keptDir(), 0o700)
	}
	if err == nil {
		err = untrusted.RemoveTree(c.dir) // of an earlier process of this attempt, which ran out of memory later
	}
	if err == nil {
		err = os.Rename(moved, c.dir)
	}
	return c, fault.Disk("keep checkpoint", c.dir, err)
}

// writeBeside writes the events into a checkpoint.
func writeBeside(dir string, lines []byte) error {
	files, err := untrusted.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(files.Write(training.EventsName, lines), files.Close())
}

// rescue stores the newest checkpoint that a former attempt left on this disk, unless the
// store has one as new, and removes all of them.
func (r *attempt) rescue(ctx context.Context) error {
	left, err := os.ReadDir(r.keptDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Disk("look for checkpoints in", r.keptDir(), err)
	}
	whole, _, err := checkpoints.List(ctx, r.a.Store, r.in.Tenant, r.in.Job)
	if err != nil {
		return err
	}
	slices.Reverse(left) // the newest first
	for _, entry := range left {
		number, _, _ := strings.Cut(entry.Name(), "-")
		step, err := strconv.Atoi(number)
		if err != nil {
			continue // not a checkpoint
		}
		if len(whole) > 0 && training.CheckpointPrefix(r.in.Tenant, r.in.Job, step) <= whole[0] {
			break
		}
		err = r.storeLeft(ctx, localCheckpoint{dir: filepath.Join(r.keptDir(), entry.Name()), step: step})
		if err == nil {
			break
		}
		if !errors.Is(err, object.ErrCorrupt) {
			return err
		}
	}
	return fault.Disk("remove", r.keptDir(), untrusted.RemoveTree(r.keptDir()))
}

// storeLeft stores a checkpoint that was left. After a power failure it may be damaged,
// which is reported as corrupt.
func (r *attempt) storeLeft(ctx context.Context, c localCheckpoint) error {
	from, err := untrusted.Open(c.dir)
	if err != nil {
		return err
	}
	defer from.Close()
	lines, err := from.Read(training.EventsName, maxKeptEvents)
	if err != nil {
		return err
	}
	events, err := history.Decode(from.Path(training.EventsName), lines)
	if err == nil && (len(events) == 0 || events[len(events)-1].Step != c.step) {
		err = errors.New("the events do not end with the checkpoint")
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", object.ErrCorrupt, c.dir, err)
	}
	return r.storeCheckpoint(ctx, c)
}

// tidy removes what is no longer needed: this job's directory if all of it is stored, and
// those of jobs that continued elsewhere long ago.
func (r *attempt) tidy() {
	_ = os.Remove(r.keptDir()) // not if it is not empty
	entries, err := os.ReadDir(r.a.Kept)
	if err != nil {
		return // the next write reports it
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), keptName) && time.Since(info.ModTime()) > keptFor {
			_ = untrusted.RemoveTree(filepath.Join(r.a.Kept, entry.Name()))
		}
	}
}
