// Package registry holds the activities about what is published: versions of adapters and
// programs, the roles that they serve, and model servers that load them. It knows nothing
// of how they were made.
package registry

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
)

// Versions keeps numbered versions of named things: adapters, programs.
type Versions struct {
	store  activities.Store
	prefix string
}

// Reservation says which job a version belongs to. It is created conditionally, so that two
// jobs never write into one version.
type Reservation struct {
	Job   string `json:"job"`
	Ended string `json:"ended,omitempty"` // of a job that can have more than one outcome
	Steps int    `json:"steps,omitempty"`
}

const reservationName = "job.json"

// Reserve finds the version of a job's outcome, or reserves the next. done reports that it
// is published already.
func (r Versions) Reserve(ctx context.Context, name string, mine Reservation) (version int, done bool, err error) {
	for {
		last := 0
		versions, err := r.versions(ctx, name)
		if err != nil {
			return 0, false, err
		}
		for _, v := range versions {
			last = max(last, v.number)
			var of Reservation
			key := r.At(name, v.number) + reservationName
			if err := activities.ReadJSON(ctx, r.store, key, &of); err != nil && !activities.Absent(err) {
				return 0, false, err
			}
			if of == mine {
				return v.number, v.whole, nil
			}
		}
		err = activities.CreateJSON(ctx, r.store, r.At(name, last+1)+reservationName, mine)
		if !errors.Is(err, object.ErrExists) {
			return last + 1, false, err
		}
	}
}

type publishedVersion struct {
	name   string
	number int
	whole  bool // has its manifest
}

// At is the prefix of one version.
func (r Versions) At(name string, version int) string {
	return r.prefix + name + "/" + strconv.Itoa(version) + "/"
}

// versions lists the versions of a name (empty = of all), ascending by name and number.
func (r Versions) versions(ctx context.Context, name string) ([]publishedVersion, error) {
	var out []publishedVersion
	prefix := r.prefix
	under := prefix
	if name != "" {
		under += name + "/"
	}
	err := r.store.List(ctx, under, func(o object.Info) error {
		parts := strings.Split(strings.TrimPrefix(o.Key, prefix), "/")
		if len(parts) != 3 || (parts[2] != training.ManifestName && parts[2] != reservationName) {
			return nil // a file of a version, or a role
		}
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil //nolint:nilerr // not a version
		}
		v := publishedVersion{name: parts[0], number: n, whole: parts[2] == training.ManifestName}
		if i := slices.IndexFunc(out, func(x publishedVersion) bool { return x.name == v.name && x.number == n }); i >= 0 {
			out[i].whole = out[i].whole || v.whole
			return nil
		}
		out = append(out, v)
		return nil
	})
	slices.SortFunc(out, func(x, y publishedVersion) int {
		return cmp.Or(strings.Compare(x.name, y.name), x.number-y.number)
	})
	return out, err
}
