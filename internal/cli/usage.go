package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// nearEnough is the number of edits up to which another name is suggested.
const nearEnough = 2

// plainErrors has a command and those below it say what is wrong with a command line in
// the words of its own usage.
func plainErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return argumentError(cmd, args, err)
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && !cmd.Runnable() { // cobra would print the help and call it success
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		}
	}
	cmd.SetFlagErrorFunc(suggestFlag)
	for _, sub := range cmd.Commands() {
		plainErrors(sub)
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = nearEnough
	text := fmt.Sprintf("unknown command %q for %q", name, cmd.CommandPath())
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return Usage("%s", text)
}

// argumentError names the argument that is missing, or the first one too many. Use has
// the names: those in brackets are optional.
func argumentError(cmd *cobra.Command, args []string, err error) error {
	if _, ok := errors.AsType[*ExitError](err); ok {
		return err
	}
	var required, optional []string
	for _, word := range strings.Fields(cmd.Use)[1:] {
		if strings.HasPrefix(word, "[") && strings.HasSuffix(word, "]") {
			optional = append(optional, word)
		} else {
			required = append(required, word)
		}
	}
	switch {
	case len(args) < len(required):
		return Usage("%s is required", strings.TrimSuffix(required[len(args)], "…"))
	case len(args) > len(required)+len(optional):
		return Usage("unexpected argument %q", args[len(required)+len(optional)])
	}
	return err
}

// suggestFlag adds the nearest flag of a command to the error about one that it lacks.
func suggestFlag(cmd *cobra.Command, err error) error {
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	best, distance := "", nearEnough+1
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := levenshtein.ComputeDistance(missing.GetSpecifiedName(), f.Name); d < distance && !f.Hidden {
			best, distance = f.Name, d
		}
	})
	if best == "" {
		return err
	}
	return fmt.Errorf("%w; did you mean --%s?", err, best)
}
