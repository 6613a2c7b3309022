package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cogniverse/cogflow/safetext"
)

// completeTimeout bounds the time of one completion.
const completeTimeout = 2 * time.Second

// isCompletion reports whether a command is the one that shells call for a completion. The
// flags of the completed command are parsed later, so completions call resolve themselves.
func isCompletion(cmd *cobra.Command) bool {
	return strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd)
}

// Lookup finds the words that complete a command line. A word may have a description after a tab.
type Lookup func(ctx context.Context, args []string) ([]string, error)

// Complete makes the completion of arguments and flags from a lookup. Errors are not shown,
// because the user did not run a command.
func (a *App) Complete(find Lookup) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		a.Quiet, a.Err = true, io.Discard
		ctx, cancel := context.WithTimeout(cmd.Context(), a.Limit(completeTimeout))
		defer cancel()
		if a.resolve() != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words, err := find(ctx, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for i, word := range words {
			name, about, described := strings.Cut(word, "\t")
			if words[i] = safetext.Clean(name); described {
				words[i] += "\t" + safetext.Clean(about)
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteFirst is Complete for commands with one argument.
func (a *App) CompleteFirst(find Lookup) cobra.CompletionFunc {
	return a.Complete(func(ctx context.Context, args []string) ([]string, error) {
		if len(args) > 0 {
			return nil, nil
		}
		return find(ctx, args)
	})
}

// CompleteFlag completes the values of a flag with a lookup.
func (a *App) CompleteFlag(cmd *cobra.Command, flag string, find Lookup) {
	register(cmd, flag, a.Complete(find))
}

// CompleteProfiles offers the configured profiles for --profile.
func (a *App) CompleteProfiles(cmd *cobra.Command) {
	a.CompleteFlag(cmd, "profile", func(context.Context, []string) ([]string, error) {
		c, err := a.Config()
		if err != nil {
			return nil, err
		}
		var names []string
		for _, p := range c.Profiles() {
			names = append(names, p.Name)
		}
		return names, nil
	})
}

// OfferWords completes a flag with its possible values. If the flag is a list, it completes
// distinct values separated by commas.
func OfferWords(cmd *cobra.Command, flag string, words ...string) {
	register(cmd, flag, func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if _, list := cmd.Flags().Lookup(flag).Value.(pflag.SliceValue); !list {
			return words, cobra.ShellCompDirectiveNoFileComp
		}
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		given := strings.Split(before, ",")
		var offered []string
		for _, word := range words {
			if !slices.Contains(given, word) {
				offered = append(offered, before+word)
			}
		}
		return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

func register(cmd *cobra.Command, flag string, find cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, find); err != nil {
		panic("cogflow: " + err.Error()) // a programming error: the flag is missing or registered twice
	}
}
