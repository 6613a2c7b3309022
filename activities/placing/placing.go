// Package placing applies the rules of placement to runs that begin. It knows no pipeline.
package placing

import (
	"context"
	"errors"

	"github.com/cogniverse/cogflow/placement"
)

// Rules are the rules of this worker's configuration. A nil value has none.
type Rules struct {
	All     []placement.Rule
	Workers func(ctx context.Context, pool, class string) (bool, error) // reports whether a pool has workers of a GPU class
}

// Any reports whether there are rules.
func (r *Rules) Any() bool { return r != nil && len(r.All) > 0 }

// Decide places a run; nil = there are no rules, or it is not to be placed.
func (r *Rules) Decide(ctx context.Context, f *placement.Facts) (*placement.Decision, error) {
	if !r.Any() || f == nil {
		return nil, nil //nolint:nilnil // the run is not placed
	}
	pool := "describe"
	if f.Kind == placement.Train {
		pool = "train"
	}
	d, err := placement.Decide(r.All, *f, func(class string) (bool, error) { return r.Workers(ctx, pool, class) })
	if err != nil {
		return nil, err
	}
	return &d, nil
}

var errEnough = errors.New("enough videos")

// Listed is Decide after the videos of a source are counted, up to most (0 = all).
func (r *Rules) Listed(ctx context.Context, f *placement.Facts, most int, list func(yield func(uri string) error) (skipped int, err error)) (*placement.Decision, error) {
	if !r.Any() || f == nil {
		return nil, nil //nolint:nilnil // the run is not placed
	}
	found := *f
	_, err := list(func(string) error {
		if found.Videos++; int(found.Videos) == most {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return r.Decide(ctx, &found)
}
