package optimize

import (
	"context"
	"path"
	"sync"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

// unanswerable are the requests that get no answer. They are not stored as answers: the
// endpoint may have been faulty, and other jobs request them again.
type unanswerable struct {
	store activities.Store
	run   string // prefix of the requests that the run gave up
	build string // prefix of the requests that endpoints rejected, in any run of the job by this build

	mu       sync.Mutex
	known    map[string]bool // by fingerprint; nil = not read yet
	rejected map[string]bool // by fingerprint, and not in known yet
}

func (c *stageRunner) unanswerable() *unanswerable {
	digest := func(what, of string) string { return string(video.NewFingerprint(what, of)[:16]) + "/" }
	job := prefixOf(c.who.Tenant, c.who.Job)
	return &unanswerable{
		store: c.a.Store, run: job + "given-up/" + digest("run", c.who.Ledger), build: job + "rejected/" + digest("build", c.a.Version),
	}
}

// read lists, once, the requests that had no answer before.
func (u *unanswerable) read(ctx context.Context) (err error) {
	if u.known != nil {
		return nil
	}
	known, err := u.list(ctx, u.run)
	if err == nil {
		u.rejected, err = u.list(ctx, u.build)
	}
	if err == nil {
		u.known = known
	}
	return err
}

func (u *unanswerable) list(ctx context.Context, prefix string) (map[string]bool, error) {
	found := map[string]bool{}
	return found, u.store.List(ctx, prefix, func(o object.Info) error {
		found[path.Base(o.Key)] = true
		return nil
	})
}

// has reports whether a request gets no answer, and why. A request that an endpoint rejected in
// an earlier run is not sent again, unless the request or the build changed.
func (u *unanswerable) has(ctx context.Context, f video.Fingerprint) (why string, gone bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.read(ctx); err != nil {
		return "", false, err
	}
	switch {
	case u.known[string(f)]:
		err = activities.ReadJSON(ctx, u.store, u.run+string(f), &why)
	case u.rejected[string(f)]:
		if err = activities.ReadJSON(ctx, u.store, u.build+string(f), &why); err == nil {
			err = u.record(ctx, f, why)
		}
	default:
		return "", false, nil
	}
	return why, err == nil, err
}

// add records that a request gets no answer in this run. This holds even if another run gets
// one before a stage is retried.
func (u *unanswerable) add(ctx context.Context, f video.Fingerprint, why error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.read(ctx); err != nil || u.known[string(f)] {
		return err
	}
	return u.record(ctx, f, why.Error())
}

// reject is add for a request that its endpoint rejected for its content.
func (u *unanswerable) reject(ctx context.Context, one answered) error {
	if fault.ClassOf(one.rejected) == fault.Input {
		if err := activities.WriteJSON(ctx, u.store, u.build+string(one.fingerprint), one.rejected.Error()); err != nil {
			return err
		}
	}
	return u.add(ctx, one.fingerprint, one.rejected)
}

func (u *unanswerable) record(ctx context.Context, f video.Fingerprint, why string) error {
	err := activities.WriteJSON(ctx, u.store, u.run+string(f), why)
	if err == nil {
		u.known[string(f)] = true
	}
	return err
}
