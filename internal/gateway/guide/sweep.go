package guide

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Sweep removes the frames of the batches of all tenants that no job describes and no request has
// sent for a while. The descriptions stay. Any number of gateways may sweep.
func (a *API) Sweep(ctx context.Context) (removed int, err error) {
	store, err := a.Store(ctx)
	if err != nil {
		return 0, err
	}
	owners, err := store.Owners(ctx)
	if err != nil {
		return 0, err
	}
	var described map[string]bool // asked for only if there is something to remove
	for _, owner := range owners {
		t, err := tenant.Parse(owner)
		if err != nil {
			continue // it is no tenant, so it has no batches
		}
		unused, err := a.unused(ctx, store, t)
		if err != nil {
			return removed, err
		}
		if len(unused) > 0 && described == nil {
			if described, err = a.Jobs.Batches(ctx); err != nil {
				return removed, err
			}
		}
		for _, prefix := range unused {
			if described[prefix] {
				continue
			}
			gone, err := a.remove(ctx, store, prefix)
			if err != nil {
				return removed, err
			}
			if gone {
				removed++
			}
		}
	}
	return removed, nil
}

// unused are the folders of the batches of a tenant whose frames no request holds any more.
func (a *API) unused(ctx context.Context, store Store, t tenant.ID) ([]string, error) {
	newest := map[string]time.Time{} // of what would be removed
	all := video.BatchesPrefix(t)
	err := store.List(ctx, all, func(i object.Info) error {
		id, name, _ := strings.Cut(strings.TrimPrefix(i.Key, all), "/")
		if prefix := all + id + "/"; !video.IsBatchAnswers(name) && !i.Modified.Before(newest[prefix]) {
			newest[prefix] = i.Modified
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, prefix := range slices.Sorted(maps.Keys(newest)) {
		h, err := readHold(ctx, store, prefix)
		if err != nil {
			return nil, err
		}
		until := h.Until
		if !h.exists { // an earlier version stored it, or an activity that was given up has come late
			until = newest[prefix].Add(a.kept())
		}
		if a.now().After(until) {
			out = append(out, prefix)
		}
	}
	return out, nil
}

// remove removes the frames of a batch, unless a request or another gateway is before it. The hold
// goes last, so a removal that was interrupted is completed by the next sweep.
func (a *API) remove(ctx context.Context, store Store, prefix string) (bool, error) {
	h, err := readHold(ctx, store, prefix)
	if err != nil || a.now().Before(h.Until) {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, removalTime)
	defer cancel()
	err = h.replace(ctx, store, video.BatchHold{Until: a.now().Add(removalLease).UTC(), Removing: true})
	if errors.Is(err, object.ErrChanged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	keys := []string{video.BatchKey(prefix)} // first, so that no job begins with the rest
	err = store.List(ctx, prefix, func(i object.Info) error {
		if i.Key != h.key && !video.IsBatchAnswers(strings.TrimPrefix(i.Key, prefix)) {
			keys = append(keys, i.Key)
		}
		return nil
	})
	for _, key := range append(keys, h.key) {
		if err == nil {
			err = store.Delete(ctx, key)
		}
	}
	return err == nil, err
}
