package optimize

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/prompt/yaml"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training"
)

// maxInline bounds a file within the input; larger files are uploaded.
const maxInline = 200 << 10 // bytes

// maxPlanned is maxInline for a job that is planned: a schedule keeps its input.
const maxPlanned = 8 << 10 // bytes

// input completes o.in and returns the name of the published program. It checks the program,
// the examples, the metric and the settings before anything is uploaded or started.
func (a app) input(ctx context.Context, o *options) (name string, err error) {
	if err := cli.Normalize(&o.in.Common); err != nil {
		return "", err
	}
	switch {
	case o.program == "":
		return "", cli.Usage("--program must be a JSON or YAML file, s3://… or https://…")
	case o.train == "":
		return "", cli.Usage("--trainset must be examples: a file, s3://… or https://…")
	case !slices.Contains(modes(), o.in.Mode):
		return "", cli.Usage("--mode must be improved, compat or gepa")
	}
	if err := o.settings(); err != nil {
		return "", err
	}
	program, err := a.readProgram(o)
	if err != nil {
		return "", err
	}
	if name = o.in.Name; name == "" && program != nil {
		name = program.Name
	}
	if name == "" {
		return "", cli.Usage("--name is required: the program has no name, or is not a local file")
	}
	if err := training.CheckName("name", name); err != nil {
		return "", cli.Usage("%v", err)
	}
	sets := []*set{
		{flag: "trainset", name: o.train, into: &o.in.Trainset},
		{flag: "valset", name: o.val, into: &o.in.Valset},
		{flag: "testset", name: o.test, into: &o.in.Testset},
	}
	for _, s := range sets {
		defer s.close()
		if err := s.read(); err != nil {
			return "", err
		}
	}
	m, err := o.readMetric(program, sets[0].first)
	if err != nil {
		return "", err
	}
	if program != nil {
		inputs := program.Inputs()
		if m != nil { // a judge reads images too
			inputs = slices.Concat(inputs, m.Inputs())
		}
		for _, s := range sets {
			if err := s.embed(ctx, inputs); err != nil {
				return "", err
			}
		}
	}
	return name, a.place(ctx, o, sets)
}

func modes() []string {
	return []string{optimize.ModeImproved, optimize.ModeCompat, optimize.ModeGEPA}
}

// settingNames lists the JSON names of a mode's settings.
func settingNames(mode string) (names []string) {
	if mode == optimize.ModeGEPA {
		return append(jsonNames[gepa.Options](), "auto", "init_temperature", "seed")
	}
	return jsonNames[mipro.Settings]()
}

func jsonNames[T any]() (names []string) {
	for f := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// settings parses --set into the settings of the mode.
func (o *options) settings() error {
	merged := map[string]any{}
	for _, text := range o.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return cli.Usage("--set must be name=value, not %q", text)
		}
		if err := cli.CheckOneOf("set", name, settingNames(o.in.Mode)); err != nil {
			return err
		}
		merged[name] = cli.Value(value)
	}
	data, err := json.Marshal(merged)
	if err != nil {
		return err
	}
	all := struct {
		mipro.Settings
		gepa.Options
	}{Settings: mipro.Settings{Auto: o.in.Auto, Seed: o.in.Seed}}
	if err := strictjson.Unmarshal(data, &all); err != nil {
		return cli.Usage("--set: %v", err)
	}
	said := all.Settings
	if o.in.Options = all.Options; o.in.Mode == optimize.ModeGEPA {
		o.in.Settings = said
		return o.gepaEffort()
	}
	if said.Auto == "" && (said.NumTrials != 0 || said.NumCandidates != 0) {
		said.Auto = "none"
	}
	switch said.Auto {
	case "", "light", "medium", "heavy":
		if said.NumTrials != 0 || said.NumCandidates != 0 {
			return cli.Usage("--auto %s and num_trials or num_candidates cannot be combined", said.Auto)
		}
	case "none":
		if said.NumTrials <= 0 || said.NumCandidates <= 0 {
			return cli.Usage("without --auto, num_trials and num_candidates are both required: --set num_trials=20 --set num_candidates=10")
		}
	default:
		return cli.Usage("--auto must be light, medium, heavy or none")
	}
	o.in.Settings = said
	return nil
}

// gepaEffort checks the settings that limit the calls in mode gepa.
func (o *options) gepaEffort() error {
	s := o.in.Settings
	switch {
	case !slices.Contains([]string{"", "light", "medium", "heavy"}, s.Auto):
		return cli.Usage("--auto must be light, medium or heavy in mode gepa")
	case s.Auto != "" && (o.in.MaxMetricCalls != 0 || o.in.MaxFullEvals != 0):
		return cli.Usage("--auto %s cannot be combined with max_metric_calls or max_full_evals", s.Auto)
	}
	return nil
}

// at returns the reference to a file that a worker reads.
func at(uri string) (json.RawMessage, error) { return json.Marshal(map[string]string{"uri": uri}) }

func readLimited(what, name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fault.Wrap(fault.Input, "read "+what, name, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return text, fault.Wrap(fault.Input, "read "+what, name, err)
}

// readMetric parses --metric and checks it against a local program and local examples. Without
// both, the metric is nil.
func (o *options) readMetric(program *prompt.Program, first *prompt.Object) (m *metric.Metric, err error) {
	var parts []*metric.Metric
	for _, text := range o.metric {
		kind, field, said := strings.Cut(text, "=")
		switch {
		case said && metric.Kind(kind) == metric.Command:
			parts = append(parts, &metric.Metric{Kind: metric.Command, Command: field})
		case said && kind != "" && field != "":
			parts = append(parts, &metric.Metric{Kind: metric.Kind(kind), Field: field})
		case len(o.metric) > 1:
			return nil, cli.Usage("--metric must be one file, or one or more kind=field such as exact=agent")
		case !said && metric.Known(metric.Kind(text)):
			return nil, cli.Usage("--metric %s has no output field; write %s=FIELD", text, text)
		default:
			if o.in.Metric, err = readLimited("metric", text, prompt.MaxProgramBytes); err != nil {
				return nil, err
			}
			if o.in.Metric, err = yaml.JSON(o.in.Metric, reflect.TypeFor[metric.Metric]()); err != nil {
				return nil, fault.Wrap(fault.Input, "read metric", text, err)
			}
		}
	}
	switch {
	case len(parts) == 1:
		o.in.Metric, err = json.Marshal(parts[0])
	case len(parts) > 1:
		o.in.Metric, err = json.Marshal(metric.Metric{Kind: metric.Mean, Parts: parts})
	}
	if err != nil || program == nil || first == nil {
		return nil, err
	}
	checked := o.in.Metric
	if len(checked) == 0 {
		if checked, err = json.Marshal(metric.Default(program)); err != nil {
			return nil, err
		}
	}
	return metric.Read(checked, program, first.Keys())
}

// place puts small files into the input and uploads large ones.
func (a app) place(ctx context.Context, o *options, sets []*set) error {
	most := int64(maxInline)
	if a.Planning() {
		most = maxPlanned
	}
	total := int64(len(o.in.Program) + len(o.in.Metric))
	for _, s := range sets {
		total += max(s.size, int64(len(s.text)))
	}
	for _, s := range sets {
		var err error
		switch {
		case s.name == "":
		case transfer.Remote(s.name):
			*s.into, err = at(s.name)
		case total < most:
			*s.into = s.text
		default:
			var uri string
			if uri, err = transfer.Upload(ctx, a.App, o.in.Tenant, s.name); err == nil {
				*s.into, err = at(uri)
			}
		}
		if err != nil {
			return err
		}
	}
	if int64(len(o.in.Program)) < most {
		return nil
	}
	uri, err := a.uploadProgram(ctx, o)
	if err != nil {
		return err
	}
	o.in.Program, err = at(uri)
	return err
}
