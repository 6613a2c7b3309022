// Package roles decides how the queries and passages of a profile are told apart for its
// embedder, once for all documents of the profile: a query finds only documents that were
// embedded for the same roles. It knows no model server.
package roles

import (
	"context"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// chosen is the stored choice.
type chosen struct {
	Roles *video.Roles `json:"roles"` // nil = none
}

// Pinned returns the recipe of a run of a tenant that this build begins, with the roles of
// its embedder. Configured roles count. Otherwise the name of the model decides, except that
// a profile whose documents were embedded without a role for passages goes on without roles.
// The first decision is stored, so that a later build makes the same one.
func Pinned(ctx context.Context, s activities.Store, t tenant.ID, p video.Profile) (video.Profile, error) {
	p, undecided, err := expected(ctx, s, t, p)
	if err == nil && undecided {
		err = activities.WriteJSON(ctx, s, video.RolesKey(t, p), chosen{p.Embed.Roles})
	}
	return p, err
}

// Expected is Pinned, but stores nothing.
func Expected(ctx context.Context, s activities.Store, t tenant.ID, p video.Profile) (video.Profile, error) {
	p, _, err := expected(ctx, s, t, p)
	return p, err
}

func expected(ctx context.Context, s activities.Store, t tenant.ID, p video.Profile) (_ video.Profile, undecided bool, err error) {
	p = p.Pinned()
	if p.Embed.Roles != nil {
		if *p.Embed.Roles == (video.Roles{}) {
			p.Embed.Roles = nil
		}
		return p, false, nil
	}
	known := p.Embed.DefaultRoles()
	if known == nil || known.Passage == (video.Role{}) { // documents are embedded as ever
		p.Embed.Roles = known
		return p, false, nil
	}
	var c chosen
	if err = activities.ReadJSON(ctx, s, video.RolesKey(t, p), &c); activities.Absent(err) {
		var without bool
		if without, err = usedWithout(ctx, s, t, p); !without {
			c.Roles = known
		}
		undecided = true
	}
	p.Embed.Roles = c.Roles
	return p, undecided, err
}

// usedWithout reports whether a run of the profile was pinned to its model without roles.
func usedWithout(ctx context.Context, s activities.Store, t tenant.ID, p video.Profile) (found bool, err error) {
	var keys []string
	err = s.List(ctx, video.RecipesPrefix(t), func(o object.Info) error {
		keys = append(keys, o.Key)
		return nil
	})
	for _, key := range keys {
		if err != nil || found {
			break
		}
		var r video.Profile
		if err = activities.ReadJSON(ctx, s, key, &r); activities.Absent(err) {
			err = nil // it was deleted meanwhile
			continue
		}
		found = r.Name == p.Name && r.Embed.Model == p.Embed.Model && r.Embed.Revision == p.Embed.Revision && r.Embed.Roles == nil
	}
	return found, err
}
