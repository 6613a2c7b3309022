package programs

import (
	"context"
	"strings"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// versions completes a version; it offers the latest first.
func (a app) versions(common *workflows.Common) cli.Lookup {
	return func(ctx context.Context, _ []string) (words []string, err error) {
		r, _, err := a.listPrograms(ctx, optimize.ListProgramsInput{Common: *common})
		for _, l := range r.Programs {
			words = append(words, cli.Ref(l.Name, l.Version)+"\t"+status(l.Status, l.Share))
		}
		return words, err
	}
}

// two completes two versions; for the second it offers the other versions of the same program.
func (a app) two(common *workflows.Common) cli.Lookup {
	find := a.versions(common)
	return func(ctx context.Context, args []string) (words []string, err error) {
		if len(args) > 1 {
			return nil, nil
		}
		all, err := find(ctx, nil)
		for _, word := range all {
			if len(args) == 0 || strings.HasPrefix(word, strings.SplitAfter(args[0], "@")[0]) {
				words = append(words, word)
			}
		}
		return words, err
	}
}

// names completes a name of a program.
func (a app) names(common *workflows.Common) cli.Lookup {
	return func(ctx context.Context, _ []string) (words []string, err error) {
		r, _, err := a.listPrograms(ctx, optimize.ListProgramsInput{Common: *common})
		given := map[string]bool{}
		for _, l := range r.Programs {
			if !given[l.Name] {
				given[l.Name] = true
				words = append(words, l.Name)
			}
		}
		return words, err
	}
}
