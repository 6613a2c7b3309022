// Package checkpoints lists and prunes the stored checkpoints of a training job. It does not
// read their content.
package checkpoints

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// List lists the prefixes of the complete checkpoints of a job, the newest first, and those of
// all checkpoints, complete or not.
func List(ctx context.Context, s activities.Store, t tenant.ID, job string) (whole, all []string, err error) {
	err = s.List(ctx, training.CheckpointsPrefix(t, job), func(o object.Info) error {
		rest := strings.TrimPrefix(o.Key, training.CheckpointsPrefix(t, job))
		step, _, _ := strings.Cut(rest, "/")
		prefix := training.CheckpointsPrefix(t, job) + step + "/"
		if len(all) == 0 || all[len(all)-1] != prefix {
			all = append(all, prefix)
		}
		if path.Base(o.Key) == training.ManifestName && o.Key == prefix+training.ManifestName {
			whole = append(whole, prefix)
		}
		return nil
	})
	slices.Reverse(whole)
	return whole, all, err
}

// Prune removes all checkpoints older than the newest few. The manifest is deleted first,
// so that a partial checkpoint never looks complete.
func Prune(ctx context.Context, s activities.Store, t tenant.ID, job string, keep int) error {
	whole, all, err := List(ctx, s, t, job)
	if err != nil || keep > 0 && len(whole) <= keep {
		return err
	}
	oldest := "~" // sorts after every step
	if keep > 0 {
		oldest = whole[keep-1]
	}
	for _, prefix := range all {
		if keep > 0 && prefix >= oldest {
			continue
		}
		if err := s.Delete(ctx, prefix+training.ManifestName); err != nil {
			return err
		}
		if _, err := activities.DeletePrefix(ctx, s, prefix); err != nil {
			return err
		}
	}
	return nil
}
