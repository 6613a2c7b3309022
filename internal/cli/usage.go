package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// nearEnough is the maximum number of edits for a suggestion.
const nearEnough = 2

// plainErrors sets the handling of usage errors of a command and its subcommands.
func plainErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				if cmd.HasSubCommands() && len(args) > 0 {
					return unknownCommand(cmd, args[0])
				}
				return argumentError(cmd, args, err)
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && !cmd.Runnable() { // cobra would print the help and exit with 0
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		}
	}
	cmd.SetFlagErrorFunc(flagError)
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

// argumentError names the missing argument, or the first unexpected one. The names are in
// Use; names in brackets are optional.
func argumentError(cmd *cobra.Command, args []string, err error) error {
	if _, ok := errors.AsType[*ExitError](err); ok {
		return err
	}
	var required, optional []string
	for _, word := range strings.Fields(cmd.Use)[1:] {
		if strings.HasPrefix(word, "--") {
			break // a required flag and its value
		}
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

// flagError explains an error of a flag: it suggests the nearest name for an unknown flag,
// and names the type of an invalid value.
func flagError(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s must be %s, not %q", invalid.GetFlag().Name, valueName(invalid.GetFlag().Value.Type()), invalid.GetValue())
	}
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := nearest(missing.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

// nearest returns the known name nearest to a mistyped one; "" = no known name is near.
func nearest(name string, known []string) string {
	best, distance := "", nearEnough+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// valueName describes the values of a type of flag.
func valueName(kind string) string {
	switch kind {
	case "int", "int64":
		return "a whole number"
	case "float64":
		return "a number"
	case "duration":
		return `a time such as "90s" or "10m"`
	case "bool":
		return "true or false"
	default:
		return "a " + kind
	}
}
