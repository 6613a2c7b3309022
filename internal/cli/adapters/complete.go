package adapters

import (
	"context"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/train"
)

// published returns the adapters of the tenant on the command line.
func (a app) published(ctx context.Context, common *workflows.Common) ([]registry.AdapterLine, error) {
	in := train.ListAdaptersInput{Common: *common}
	if err := cli.Normalize(&in.Common); err != nil {
		return nil, err
	}
	var r registry.AdapterList
	_, err := a.Ask(ctx, job("ListAdapters", "list adapters", in.Common, in), &r)
	return r.Adapters, err
}

// versions completes a version; it offers the latest first.
func (a app) versions(common *workflows.Common) cli.Lookup {
	return func(ctx context.Context, _ []string) (words []string, err error) {
		all, err := a.published(ctx, common)
		for _, l := range all {
			about := l.Status
			if l.Base != "" {
				about += ", of " + l.Base
			}
			words = append(words, cli.Ref(l.Name, l.Version)+"\t"+about)
		}
		return words, err
	}
}

// names completes a name of an adapter.
func (a app) names(common *workflows.Common) cli.Lookup {
	return a.distinct(common, func(l registry.AdapterLine) string { return l.Name })
}

// roles completes a role.
func (a app) roles(common *workflows.Common) cli.Lookup {
	return a.distinct(common, func(l registry.AdapterLine) string { return l.Role })
}

func (a app) distinct(common *workflows.Common, word func(registry.AdapterLine) string) cli.Lookup {
	return func(ctx context.Context, _ []string) (words []string, err error) {
		all, err := a.published(ctx, common)
		given := map[string]bool{}
		for _, l := range all {
			if w := word(l); w != "" && !given[w] { // a damaged version has no role
				given[w] = true
				words = append(words, w)
			}
		}
		return words, err
	}
}
