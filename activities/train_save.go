package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// keptCheckpoints is how many checkpoints of a running job stay in the store.
// Each holds the best adapter so far.
const keptCheckpoints = 2

// saver stores checkpoints while training goes on. When the store is slower
// than the trainer writes, only the newest is stored.
type saver struct {
	r    *trainRun
	mu   sync.Mutex
	next *localCheckpoint // waits
	busy bool
	idle *sync.Cond
	err  error // of the last one; nil = it is stored
}

// localCheckpoint is a whole checkpoint on this worker's disk, with the events up
// to its step in it.
type localCheckpoint struct {
	dir  string
	step int
}

func newSaver(r *trainRun) *saver {
	s := &saver{r: r}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// save stores a checkpoint soon. One that still waits is overtaken.
func (s *saver) save(c localCheckpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil {
		_ = os.RemoveAll(s.next.dir) // a newer one is whole
	}
	s.next = &c
	if !s.busy {
		s.busy = true
		go s.work()
	}
}

func (s *saver) work() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.next != nil {
		c := *s.next
		s.next = nil
		s.mu.Unlock()
		// Stored whatever becomes of the activity: it is what the next one goes on from.
		err := s.r.storeCheckpoint(withTenant(context.Background(), s.r.in.Tenant), c)
		s.mu.Lock()
		s.err = err
		s.r.update(func(p *TrainPulse) {
			p.Report.Trouble = ""
			if err != nil {
				p.Report.Trouble = safetext.Line(fmt.Sprintf("the checkpoint of step %d is not stored: %v", c.step, err), maxTrouble)
			} else {
				p.Report.Checkpoint = c.step
			}
		})
		if err != nil && s.next == nil {
			s.next = &c // for flush, or to be overtaken
			break
		}
		_ = os.RemoveAll(c.dir)
	}
	s.busy = false
	s.idle.Broadcast()
}

// flush waits until the newest checkpoint is stored; one that failed before is
// tried once more.
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
	go s.work()
	for s.busy {
		s.idle.Wait()
	}
	return s.err
}

// storeCheckpoint puts the files below this attempt's token and the manifest
// last. If another attempt has stored the same step already, its is as good.
func (r *trainRun) storeCheckpoint(ctx context.Context, c localCheckpoint) error {
	var local training.CheckpointManifest
	if err := readLocalJSON(filepath.Join(c.dir, training.ManifestName), &local); err != nil {
		return err
	}
	prefix := training.CheckpointPrefix(r.in.Tenant, r.in.Job, c.step)
	stored := training.StoredCheckpoint{CheckpointManifest: local, Token: r.token}
	files, err := storeTree(ctx, r.a.Store, c.dir, prefix+r.token+"/")
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
	err = createJSON(ctx, r.a.Store, prefix+training.ManifestName, stored)
	if err != nil && !errors.Is(err, object.ErrExists) {
		return err
	}
	return r.a.prune(ctx, r.in.Tenant, r.in.Job, keptCheckpoints)
}

// storeTree stores every file below dir and says what it stored, sorted by name.
func storeTree(ctx context.Context, s Store, dir, prefix string) ([]training.CheckpointFile, error) {
	var out []training.CheckpointFile
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fault.New("", "store files", name, "not a regular file")
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		rel = filepath.ToSlash(rel)
		info, err := s.Put(ctx, prefix+rel, file)
		out = append(out, training.CheckpointFile{Name: rel, Size: info.Size, SHA256: info.SHA256})
		return err
	})
	return out, fault.Wrap(fault.Transport, "store files of", dir, err)
}

func storeEvents(ctx context.Context, s Store, key string, events []training.Event) (training.CheckpointFile, error) {
	lines, err := encodeEvents(events)
	if err != nil {
		return training.CheckpointFile{}, err
	}
	info, err := s.Put(ctx, key, bytes.NewReader(lines))
	return training.CheckpointFile{Name: training.EventsName, Size: info.Size, SHA256: info.SHA256}, err
}

// encodeEvents writes events, one a line.
func encodeEvents(events []training.Event) ([]byte, error) {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, e := range events {
		if err := encoder.Encode(e); err != nil {
			return nil, err
		}
	}
	return lines.Bytes(), nil
}
