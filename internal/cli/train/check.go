package train

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/rows"
)

// lengthBar is the width of a bar, in cells.
const lengthBar = 24

// rowCheck holds the options of `train check`.
type rowCheck struct {
	file, eval, method, format string
	o                          dataset.CheckOptions
}

func (a app) checkCommand() *cobra.Command {
	var c rowCheck
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a dataset before training on it",
		Long: `Check reads a dataset as training would, locally and without a server: JSON lines, one JSON array,
CSV, TSV or Parquet of prompt/completion, messages, text, alpaca, ShareGPT, preference pairs or triplets. It names every
problem with line or row, reason and fix, and shows duplicates, leaks into the evaluation dataset, lengths
and what would be cut. Token counts are estimates, because the tokenizer and the chat template belong to the
model: a dry run of the training counts with both.

Exit codes: 0 the dataset is valid, 1 it is not, 2 wrong usage.`,
		Example: `  cogflow train check chats.jsonl
  cogflow train check pairs.json --method dpo --max-seq-length 1024
  cogflow train check chats.parquet
  cogflow train check train.jsonl --eval heldout.jsonl --allow-dropped 0.01 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.file = args[0]
			if err := c.read(); err != nil {
				return err
			}
			return a.checkRows(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.method, "method", "auto", "training method: sft, dpo, kto, embedding, or auto to choose by the rows")
	f.StringVar(&c.format, "format", "auto", `format of the rows; "text" keeps texts unchanged, including markers of turns`)
	f.StringVar(&c.eval, "eval", "", "evaluation dataset (default: a tenth of the rows is held out)")
	f.IntVar(&c.o.MaxSeqLength, "max-seq-length", 512, "maximum tokens of a row; longer rows are cut. 0 = do not check")
	f.Float64Var(&c.o.AllowDropped, "allow-dropped", 0, "rows with errors that may be dropped: 0.01 = 1 % of the rows, 5 = five rows")
	f.Int64Var(&c.o.Seed, "seed", 42, "seed for the choice of held-out rows")
	cli.OfferWords(cmd, "method", append([]string{auto}, methodWords()...)...)
	return cmd
}

// read checks the options and sets defaults.
func (c *rowCheck) read() error {
	c.o.Name, c.o.EvalName = c.file, c.eval
	if c.method != "auto" {
		c.o.Method = training.Method(c.method)
		if !slices.Contains(training.Methods(), c.o.Method) {
			return cli.Usage("--method must be %s", methodNames)
		}
	}
	if c.format != "auto" {
		c.o.Format = rows.Format(c.format)
		if !slices.Contains(rows.Formats(), c.o.Format) {
			return cli.Usage("--format must be auto or one of %v", rows.Formats())
		}
	}
	n := c.o.AllowDropped
	if !(n >= 0) || n >= 1 && n != float64(int(n)) {
		return cli.Usage("--allow-dropped must be a share below 1 or a number of rows")
	}
	if c.o.MaxSeqLength < 0 {
		return cli.Usage("--max-seq-length must be 0 or more")
	}
	return nil
}

// checkRows prints the report of a dataset, valid or not.
func (a app) checkRows(ctx context.Context, c rowCheck) error {
	var eval rows.Source
	if c.eval != "" {
		eval = localRows(c.eval)
	}
	c.o.Images, c.o.EvalImages = localImages(ctx, c.file), localImages(ctx, c.eval)
	check, err := dataset.Prepare(ctx, c.o, localRows(c.file), eval, io.Discard, io.Discard)
	if err != nil && (check.OK || check.Errors == 0) {
		return err
	}
	if a.JSON {
		if err := a.PrintJSON(check); err != nil {
			return err
		}
	} else {
		a.printCheck(check, c.o.MaxSeqLength)
	}
	if err != nil {
		return &cli.ExitError{Code: cli.ExitFailed}
	}
	return nil
}

func localRows(name string) rows.Source {
	return func() (io.ReadCloser, error) {
		file, err := os.Open(name)
		if err != nil {
			return nil, fault.Wrap(fault.Input, "read dataset", name, err)
		}
		if info, err := file.Stat(); err == nil && info.IsDir() {
			_ = file.Close()
			return nil, fault.New(fault.Input, "read dataset", name, "it is a directory")
		}
		return file, nil
	}
}

func (a app) printCheck(c dataset.Check, limit int) {
	a.printSurvey(c.Train, limit, c.Measured)
	if c.Eval != nil {
		a.printSurvey(*c.Eval, limit, nil)
	}
	if c.Unmeasured != "" {
		a.Say("The tokens were not counted, so lengths are estimates: %s.", safetext.Clean(strings.TrimSuffix(c.Unmeasured, ".")))
		a.Say("")
	}
	if len(c.Problems) > 0 {
		a.printDatasetProblems(c)
	}
	for _, text := range c.Suggestions {
		a.Say("Suggestion: %s", safetext.Clean(text))
	}
	if c.OK {
		a.Say("Valid for %s: %s to train on, %s held out.%s", c.Method, rowsIn(c.TrainFile), rowsIn(c.EvalFile), chosenBy(c))
		return
	}
	a.Say("Not valid for training: %s.", format.Count(c.Errors, "error", "errors"))
}

func rowsIn(f *training.File) string {
	if f == nil {
		return "no rows"
	}
	return format.Count(f.Rows, "row", "rows")
}

func chosenBy(c dataset.Check) string {
	if c.Choice == nil {
		return ""
	}
	return fmt.Sprintf("\nMethod chosen by the rows: %s (confidence %.2f).", c.Choice.Reason, c.Choice.Confidence)
}

// printSurvey prints the facts about one file and the lengths of its rows: those that the
// tokenizer counted in the rows to train on, else estimates.
func (a app) printSurvey(s dataset.Survey, limit int, counted *training.DataStats) {
	facts := []string{format.Count(s.Rows, "row", "rows")}
	if s.Format != "" {
		facts = append([]string{string(s.Format) + " in " + s.Container}, facts...)
	}
	for _, f := range []struct {
		n         int
		one, many string
	}{
		{s.Dropped, "with an error", "with errors"},
		{s.Duplicates, "duplicate", "duplicates"},
		{s.RepeatedPrompts, "repeated prompt", "repeated prompts"},
		{s.Leaks, "leaked prompt", "leaked prompts"},
		{s.Good, "rated good", "rated good"},
		{s.Bad, "rated bad", "rated bad"},
	} {
		if f.n > 0 {
			facts = append(facts, format.Count(f.n, f.one, f.many))
		}
	}
	a.Say("%s: %s", safetext.Clean(s.Name), strings.Join(facts, ", "))
	if s.Kept == 0 {
		a.Say("")
		return
	}
	a.printLengths(s, limit, counted)
	if len(s.Turns) > 0 {
		a.Say("Turns: %s", turnsText(s.Turns))
	}
	about := "about "
	if counted != nil {
		about, s.Truncated, s.Kept = "", counted.Truncated, max(1, counted.Rows)
	}
	if limit > 0 {
		a.Say("Longer than %d tokens: %s%d of %s (%.1f %%)", limit, about, s.Truncated, format.Count(s.Kept, "row", "rows"), 100*float64(s.Truncated)/float64(s.Kept))
	}
	if counted == nil && s.Images > 0 {
		a.Say("Images: %d. Their tokens are not in these estimates, because they depend on the model: a dry run counts them.", s.Images)
	}
	if counted == nil && len(s.Roles) > 0 {
		a.Say("Estimated with 5 tokens per message for the chat template. Templates with a header add up to hundreds per row: a dry run counts them.")
	}
	a.Say("")
}

func (a app) printLengths(s dataset.Survey, limit int, counted *training.DataStats) {
	mark := "~"
	if counted != nil {
		mark, s.Tokens = "", dataset.Spread{P50: counted.P50, P90: counted.P90, P99: counted.P99, Max: counted.Max}
	}
	scale := max(s.Tokens.Max, 1)
	row := func(name string, chars, tokens int) []string {
		n := min(lengthBar, (tokens*lengthBar+scale-1)/scale)
		bar := strings.Repeat("█", n)
		if limit > 0 && tokens > limit { // the part beyond the limit
			bar = strings.Repeat("█", min(n, limit*lengthBar/scale))
			bar += strings.Repeat("░", n-min(n, limit*lengthBar/scale))
		}
		return []string{name, strconv.Itoa(chars), mark + strconv.Itoa(tokens), bar}
	}
	c, t := s.Characters, s.Tokens
	a.Table([]cli.Column{{Name: "rows"}, {Name: "characters", Right: true}, {Name: "tokens", Right: true}, {Name: ""}}, [][]string{
		row("half up to", c.P50, t.P50), row("90 % up to", c.P90, t.P90), row("99 % up to", c.P99, t.P99), row("longest", c.Max, t.Max),
	})
}

func turnsText(turns map[int]int) string {
	var parts []string
	keys := slices.Sorted(maps.Keys(turns))
	for i, n := range keys {
		if i == 6 && len(keys) > 7 {
			rest := 0
			for _, n := range keys[i:] {
				rest += turns[n]
			}
			parts = append(parts, fmt.Sprintf("%d or more in %s", n, format.Count(rest, "row", "rows")))
			break
		}
		parts = append(parts, fmt.Sprintf("%d in %s", n, format.Count(turns[n], "row", "rows")))
	}
	return strings.Join(parts, ", ")
}

// printDatasetProblems prints two lines for each problem, because a table would cut the reason
// and the fix.
func (a app) printDatasetProblems(c dataset.Check) {
	errors := 0
	for _, p := range c.Problems {
		where := p.File
		if p.Line > 0 {
			where += ":" + strconv.Itoa(p.Line)
		}
		if p.Row > 0 && (p.Line == 0 || container(c, p.File) == rows.JSONArray) { // an array may be one line
			where += " row " + strconv.Itoa(p.Row)
		}
		if p.Field != "" {
			where += " " + p.Field
		}
		a.Say("%-5s  %s: %s", p.Severity, safetext.Clean(where), safetext.Clean(p.Reason))
		if p.Fix != "" {
			a.Say("       → %s", safetext.Clean(p.Fix))
		}
		if p.Severity == dataset.SeverityError {
			errors++
		}
	}
	if more := c.Errors - errors; more > 0 {
		a.Say("%s not shown; all problems by kind: %s", format.Count(more, "error is", "errors are"), countsText(c.Counts))
	}
	a.Say("")
}

// container is how a file of a check holds its rows.
func container(c dataset.Check, file string) string {
	if c.Eval != nil && c.Eval.Name == file {
		return c.Eval.Container
	}
	return c.Train.Container
}

func countsText(counts map[string]int) string {
	var parts []string
	for code, n := range counts {
		parts = append(parts, fmt.Sprintf("%s %d", code, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
