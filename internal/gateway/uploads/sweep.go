package uploads

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
)

// Sweep removes the expired uploads of all tenants, and parts that belong to none, as two gateways
// leave them that store and remove at the same time. Any number of gateways may sweep.
func (a *API) Sweep(ctx context.Context) (removed int, err error) {
	store, err := a.Store(ctx)
	if err != nil {
		return 0, err
	}
	owners, err := store.Owners(ctx)
	if err != nil {
		return 0, err
	}
	for _, owner := range owners {
		t, err := tenant.Parse(owner)
		if err != nil {
			continue // it is no tenant, so it has no uploads
		}
		open, gone, err := sweep(ctx, store, t, a.now())
		removed += gone
		if err != nil {
			return removed, err
		}
		n, err := sweepParts(ctx, store, t, open, a.now().Add(-a.For))
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// sweep removes the expired uploads of a tenant, and returns the ids of the others.
func sweep(ctx context.Context, store Store, t tenant.ID, now time.Time) (open map[string]bool, removed int, err error) {
	var ids []string
	err = store.List(ctx, openPrefix(t), func(i object.Info) error {
		ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(i.Key, openPrefix(t)), ".json"))
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	open = map[string]bool{}
	for _, id := range ids {
		_, err := load(ctx, store, t, id, now)
		e, refused := errors.AsType[*api.Error](err)
		switch {
		case err == nil:
			open[id] = true
		case refused && e.Code == CodeNoUpload:
			removed++
		default:
			return nil, removed, err
		}
	}
	return open, removed, nil
}

// sweepParts removes old parts of uploads that do not exist, and counts these uploads.
func sweepParts(ctx context.Context, store Store, t tenant.ID, open map[string]bool, before time.Time) (int, error) {
	var keys []string
	orphans := map[string]bool{}
	err := store.List(ctx, allParts(t), func(i object.Info) error {
		id, _, _ := strings.Cut(strings.TrimPrefix(i.Key, allParts(t)), "/")
		if !open[id] && i.Modified.Before(before) {
			keys, orphans[id] = append(keys, i.Key), true
		}
		return nil
	})
	for _, key := range keys {
		if err == nil {
			err = store.Delete(ctx, key)
		}
	}
	return len(orphans), err
}
