package schedule

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/bounds"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// work says what a schedule starts: a cogflow command, or a workflow type with its input.
type work struct {
	command []string
	kind    string
	input   string // JSON
	file    string // with JSON
}

func (w *work) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.kind, "type", "", "workflow type, in place of a command")
	f.StringVar(&w.input, "input", "", "input of --type, a JSON object")
	f.StringVar(&w.file, "input-file", "", "file with the input of --type")
	var names []string
	for _, t := range catalog.Types() {
		names = append(names, t.Name)
	}
	cli.OfferWords(cmd, "type", names...)
}

// job is the job of a schedule.
func (a app) job(ctx context.Context, id string, w work) (cli.Job, error) {
	switch {
	case len(w.command) > 0 && w.kind != "":
		return cli.Job{}, cli.Usage("use a command or --type, not both")
	case w.kind != "":
		return w.typed(id)
	case w.input != "" || w.file != "":
		return cli.Job{}, cli.Usage("--input and --input-file require --type")
	case len(w.command) == 0:
		return cli.Job{}, cli.Usage("a command is required, as in: cogflow schedule create ID --every 24h -- ingest s3://bucket/videos")
	}
	job, err := a.Plan(ctx, a.tree, w.command, schedulable)
	if err != nil {
		return job, err
	}
	if t, _ := catalog.TypeOf(job.Kind); t.Lookup { // a command that asks before it acts
		return job, cli.Usage("`cogflow %s` cannot be scheduled", w.command[0])
	}
	return job, nil
}

// schedulable refuses a command that starts no job, before it runs.
func schedulable(cmd *cobra.Command) error {
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	first, _, _ := strings.Cut(path, " ")
	known := slices.ContainsFunc(catalog.Types(), func(t catalog.Type) bool {
		return !t.Lookup && (t.Command == path || t.Job && strings.HasPrefix(t.Command, first+" ") && first == "train")
	})
	if cmd.HasSubCommands() && path != "train" { // it names the unknown command, or prints its help
		return nil
	}
	if !known || path == "train check" || path == "videos delete" {
		return cli.Usage("cannot be scheduled: schedule a command that starts work, such as ingest, train sft or optimize, or use --type")
	}
	for name, why := range map[string]string{
		"id":                  "the server makes the ids of runs from the id of the schedule",
		"dry-run":             "run it once without a schedule",
		"cancel-on-interrupt": "it has no effect in a schedule",
	} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return cli.Usage("remove --%s: %s", name, why)
		}
	}
	return nil
}

// typed is the job of a workflow type. It has the checks that need no worker: names and types
// of the fields, and their size.
func (w work) typed(id string) (cli.Job, error) {
	t, ok := catalog.TypeOf(w.kind)
	if !ok {
		return cli.Job{}, cli.Usage("unknown --type %q: `cogflow list --help` names the workflow types", w.kind)
	}
	data := []byte(w.input)
	if w.file != "" {
		var err error
		if data, err = os.ReadFile(w.file); err != nil {
			return cli.Job{}, fault.Wrap(fault.Input, "read input", w.file, err)
		}
	}
	if len(data) == 0 {
		return cli.Job{}, cli.Usage("--type requires --input or --input-file")
	}
	var input map[string]json.RawMessage
	common, profile, err := checkTyped(t, data, &input)
	if err != nil {
		return cli.Job{}, fault.Wrap(fault.Input, "read input of", t.Name, err)
	}
	return cli.Job{
		Kind: t.Name, Common: common, Profile: profile, Input: input, Name: id,
		Summary: strings.ToLower(t.Summary[:1]) + t.Summary[1:],
		Details: fmt.Sprintf("Tenant `%s`.", common.Tenant),
	}, nil
}

func checkTyped(t catalog.Type, data []byte, into *map[string]json.RawMessage) (common workflows.Common, profile string, err error) {
	if err := cli.DecodeExact(data, into); err != nil {
		return common, "", err
	}
	fields := reflect.New(plain(reflect.TypeOf(t.Func).In(1)))
	if err := strictjson.Unmarshal(data, fields.Interface()); err != nil {
		return common, "", err
	}
	if err := bounds.Check(data); err != nil {
		return common, "", err
	}
	var known struct {
		workflows.Common
		Profile string `json:"profile"`
	}
	if err := strictjson.Unmarshal(data, &known, strictjson.AllowUnknown); err != nil {
		return common, "", err
	}
	return known.Common, known.Profile, cli.Normalize(&known.Common)
}

// plain is an input type without its methods. Input types keep problems for their workflow,
// instead of refusing them when they are decoded.
func plain(t reflect.Type) reflect.Type {
	var fields []reflect.StructField
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for f := range t.Fields() {
			switch {
			case f.Anonymous && f.Type.Kind() == reflect.Struct:
				add(f.Type)
			case f.IsExported():
				fields = append(fields, reflect.StructField{Name: f.Name, Type: f.Type, Tag: f.Tag})
			}
		}
	}
	add(t)
	return reflect.StructOf(fields)
}
