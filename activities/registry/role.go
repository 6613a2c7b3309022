package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// RoleInput changes the version that serves a role.
type RoleInput struct {
	Tenant  tenant.ID `json:"tenant"`
	Role    string    `json:"role"`
	Do      string    `json:"do"` // DoActivate, …
	Name    string    `json:"name,omitempty"`
	Version int       `json:"version,omitempty"`
	Share   int       `json:"share,omitempty"` // of a canary, in percent
	// Seen is what served the role, or was its canary, when the caller read it: a repeated
	// rollback does not roll back twice, and the end of one canary does not end the next.
	// nil = nothing.
	Seen *training.Activation `json:"seen,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in RoleInput) Owner() tenant.ID { return in.Tenant }

// What RoleInput can do.
const (
	DoActivate   = "activate"
	DoDeactivate = "deactivate"
	DoRollback   = "rollback"
	DoCanary     = "canary"     // of programs
	DoEndCanary  = "end canary" // of programs
)

// ReadRole returns what serves a role.
func (a *Adapters) ReadRole(ctx context.Context, in RoleInput) (training.Role, error) {
	role, _, err := readRole(ctx, a.Store, training.RoleKey(in.Tenant, in.Role), in.Role)
	return role, err
}

// ChangeRole activates, deactivates or rolls back.
func (a *Adapters) ChangeRole(ctx context.Context, in RoleInput) (training.Role, error) {
	role, err := changeRole(ctx, a.Store, training.RoleKey(in.Tenant, in.Role), in)
	if err != nil || role.Active == nil || a.Serving == nil {
		return role, err
	}
	return role, a.stillServed(ctx, in.Tenant, *role.Active)
}

// readRole reads a role; its hash is empty when it does not exist.
func readRole(ctx context.Context, s activities.Store, key, name string) (training.Role, string, error) {
	role := training.Role{Role: name, History: []training.Activation{}}
	info, err := s.Stat(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return role, "", nil
	}
	if err == nil {
		err = activities.ReadJSON(ctx, s, key, &role)
	}
	return role, info.SHA256, damage("read role", name, err)
}

// changeRole changes a role in one step. A concurrent change is not overwritten.
func changeRole(ctx context.Context, s activities.Store, key string, in RoleInput) (training.Role, error) {
	for {
		role, seen, err := readRole(ctx, s, key, in.Role)
		if err != nil {
			return role, err
		}
		if done, err := in.apply(&role); done || err != nil {
			return role, err
		}
		data, err := json.Marshal(role)
		if err != nil {
			return role, err
		}
		if seen == "" {
			_, err = s.Create(ctx, key, bytes.NewReader(data))
		} else {
			_, err = s.Replace(ctx, key, seen, bytes.NewReader(data))
		}
		if errors.Is(err, object.ErrExists) || errors.Is(err, object.ErrChanged) || errors.Is(err, object.ErrNotFound) {
			continue
		}
		return role, err
	}
}

// apply makes the change; done reports that an earlier attempt, whose result was lost, made
// it.
func (in RoleInput) apply(role *training.Role) (done bool, err error) {
	now := time.Now().UTC()
	switch in.Do {
	case DoActivate:
		role.Activate(in.Name, in.Version, now)
	case DoDeactivate:
		role.Deactivate()
	case DoRollback:
		if !sameActivation(role.Active, in.Seen) {
			return true, nil
		}
		err = role.Rollback(now)
	case DoCanary:
		err = role.StartCanary(in.Name, in.Version, in.Share, now)
	case DoEndCanary:
		if role.Canary == nil || !sameActivation(&role.Canary.Activation, in.Seen) {
			return true, nil
		}
		role.Canary = nil
	default:
		err = fault.New(fault.Input, "change role", in.Role, "unknown: "+in.Do)
	}
	return false, err
}

func sameActivation(x, y *training.Activation) bool {
	if x == nil || y == nil {
		return x == y
	}
	return x.Name == y.Name && x.Version == y.Version && x.Since.Equal(y.Since)
}
