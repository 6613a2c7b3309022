package train

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/checkpoints"
	"github.com/cogniverse/cogflow/activities/train/tensorboard"
	"github.com/cogniverse/cogflow/activities/train/untrusted"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// keptCheckpoints is how many checkpoints of a running job stay in the store. Each includes
// the best adapter so far.
const keptCheckpoints = 2

// saver stores checkpoints while training continues. If the store is slower than the
// trainer, only the newest is stored.
type saver struct {
	r    *attempt
	mu   sync.Mutex
	next *localCheckpoint // waiting checkpoint
	busy bool
	idle *sync.Cond
	err  error // of the last checkpoint; nil = it is stored
}

// localCheckpoint is a complete checkpoint on this worker's disk, including the events up
// to its step.
type localCheckpoint struct {
	dir  string
	step int
}

func newSaver(r *attempt) *saver {
	s := &saver{r: r}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// save stores a checkpoint soon. It replaces one that still waits.
func (s *saver) save(c localCheckpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil {
		_ = untrusted.RemoveTree(s.next.dir) // a newer one is complete
	}
	s.next = &c
	if !s.busy {
		s.busy = true
		panics.Go(s.work, s.ended)
	}
}

func (s *saver) work() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.next != nil {
		c := *s.next
		s.next = nil
		s.mu.Unlock()
		// It is stored even if the activity is cancelled, because the next attempt
		// continues from it.
		err := panics.Try(func() error {
			return s.r.storeCheckpoint(activities.WithTenant(context.Background(), s.r.in.Tenant), c)
		})
		s.mu.Lock()
		s.err = err
		s.r.update(func(p *Pulse) {
			p.Report.Trouble = ""
			if err != nil {
				p.Report.Trouble = safetext.Line(fmt.Sprintf("the checkpoint of step %d is not stored: %v", c.step, err), maxTrouble)
			} else {
				p.Report.Checkpoint = c.step
			}
		})
		if err != nil && s.next == nil {
			s.next = &c // for flush, or to be replaced
			break
		}
		_ = untrusted.RemoveTree(c.dir)
	}
	s.busy = false
	s.idle.Broadcast()
	return nil
}

// ended lets flush continue after a panic of work; err is nil otherwise.
func (s *saver) ended(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.busy = err, false
	s.idle.Broadcast()
}

// flush waits until the newest checkpoint is stored; one that failed is tried once more.
func (s *saver) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy {
		s.idle.Wait()
	}
	if s.next == nil {
		return nil
	}
	s.busy = true
	panics.Go(s.work, s.ended)
	for s.busy {
		s.idle.Wait()
	}
	return s.err
}

// storeCheckpoint stores the files under this attempt's token and the manifest last. If
// another attempt has stored the same step already, that one is kept.
func (r *attempt) storeCheckpoint(ctx context.Context, c localCheckpoint) error {
	from, err := untrusted.Open(c.dir)
	if err != nil {
		return err
	}
	defer from.Close()
	var local training.CheckpointManifest
	if err := from.JSON(training.ManifestName, &local); err != nil {
		return err
	}
	prefix := training.CheckpointPrefix(r.in.Tenant, r.in.Job, c.step)
	stored := training.StoredCheckpoint{CheckpointManifest: local, Token: r.token}
	files, err := storeTree(ctx, r.a.Store, from, prefix+r.token+"/")
	if err != nil {
		return err
	}
	for _, f := range local.Files {
		if !slices.Contains(files, f) {
			return &fault.Error{
				Class: fault.Transport, Op: "store checkpoint", Subject: f.Name,
				Reason: "it is not what the trainer's manifest says", Err: object.ErrCorrupt,
			}
		}
	}
	stored.Files = files
	err = activities.CreateJSON(ctx, r.a.Store, prefix+training.ManifestName, stored)
	if err != nil && !errors.Is(err, object.ErrExists) {
		return err
	}
	if err := checkpoints.Prune(ctx, r.a.Store, r.in.Tenant, r.in.Job, keptCheckpoints); err != nil {
		return err
	}
	_, _, err = tensorboard.Update(ctx, r.a.Store, r.in.Tenant, r.in.Job)
	return err
}

// storeTree stores every file and returns the list of stored files, sorted by name.
func storeTree(ctx context.Context, s activities.Store, from untrusted.Dir, prefix string) ([]training.CheckpointFile, error) {
	names, err := from.Names()
	if err != nil {
		return nil, err
	}
	out := make([]training.CheckpointFile, 0, len(names))
	left := int64(untrusted.MaxBytes)
	for _, name := range names {
		info, err := storeFile(ctx, s, from, name, prefix, left)
		if err != nil {
			return out, err
		}
		left -= info.Size
		out = append(out, training.CheckpointFile{Name: name, Size: info.Size, SHA256: info.SHA256})
	}
	return out, nil
}

func storeFile(ctx context.Context, s activities.Store, from untrusted.Dir, name, prefix string, limit int64) (object.Info, error) {
	file, err := from.Open(name, limit)
	if err != nil {
		return object.Info{}, err
	}
	defer file.Close()
	info, err := s.Put(ctx, prefix+name, file)
	return info, fault.Disk("store file", from.Path(name), err) // from reading it; the store's errors have a class
}
