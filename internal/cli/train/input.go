package train

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/workflows/train"
)

// input completes o.in and determines the method. It checks the settings before anything is
// uploaded or started.
func (a app) input(ctx context.Context, method string, o *options) (training.Method, error) {
	if err := cli.Normalize(&o.in.Common); err != nil {
		return "", err
	}
	switch {
	case o.dataset == "":
		return "", cli.Usage("--dataset must be the rows to train on: a file, s3://… or https://…")
	case o.in.BaseModel == "":
		return "", cli.Usage("--base-model must be the model to start from")
	}
	for name, text := range map[string]string{"--gpu-wait": o.in.GPUWait, "--timeout": o.in.Timeout} {
		if d, err := time.ParseDuration(text); text != "" && (err != nil || d <= 0) {
			return "", cli.Usage(`%s must be a time such as "90s", "10m" or "8h"`, name)
		}
	}
	if err := cli.CheckGPU(o.in.GPU); err != nil {
		return "", err
	}
	m, err := a.method(ctx, method, *o)
	if err != nil {
		return "", err
	}
	if o.in.Name == "" {
		o.in.Name = string(m) + "-" + o.in.BaseModel[strings.LastIndexByte(o.in.BaseModel, '/')+1:]
	}
	if err := training.CheckName("name", o.in.Name); err != nil {
		return "", cli.Usage("%v", err)
	}
	if o.in.Role != "" {
		if err := training.CheckName("role", o.in.Role); err != nil {
			return "", cli.Usage("%v", err)
		}
	}
	if o.in.Continue != "" {
		start, err := training.ParseStart(o.in.Continue)
		if err != nil {
			return "", cli.Usage("--continue-from: %v", err)
		}
		o.in.Continue = start.String()
	}
	if o.isSeeded() {
		o.in.Seed = &o.seed
	}
	return m, o.settings(m)
}

// method parses the name of a method; auto chooses by the rows.
func (a app) method(ctx context.Context, name string, o options) (training.Method, error) {
	switch m := training.Method(name); {
	case slices.Contains(training.Methods(), m):
		return m, nil
	case name != auto:
		return "", cli.Usage("unknown method %q: use %s", name, methodNames)
	case transfer.Remote(o.dataset):
		return "", cli.Usage("auto requires a local file; set the method for %s", o.dataset)
	}
	check, err := dataset.Prepare(ctx, dataset.CheckOptions{Name: o.dataset, Images: localImages(ctx, o.dataset)}, localRows(o.dataset), nil, io.Discard, io.Discard)
	if err != nil {
		return "", err
	}
	if check.Choice != nil && !a.Quiet {
		a.Note("Method: %s (%s)", check.Method, check.Choice.Reason)
	}
	return check.Method, nil
}

// settings merges the file of settings with --set, and checks them.
func (o *options) settings(m training.Method) error {
	merged := map[string]any{}
	if o.config != "" {
		data, err := os.ReadFile(o.config)
		if err != nil {
			return fault.Wrap(fault.Input, "read settings", o.config, err)
		}
		if err := cli.DecodeExact(data, &merged); err != nil || merged == nil {
			return fault.New(fault.Input, "read settings", o.config, fmt.Sprintf("must be one JSON object of settings: %v", err))
		}
	}
	for _, text := range o.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return cli.Usage("--set must be name=value, not %q", text)
		}
		if err := put(merged, name, cli.Value(value)); err != nil {
			return cli.Usage("--set %s: %v", name, err)
		}
	}
	if lora, ok := merged["lora"]; ok {
		delete(merged, "lora")
		o.in.LoRA = &training.LoRASettings{}
		if err := convert(lora, o.in.LoRA); err != nil {
			return cli.Usage("settings of lora: %v", err)
		}
	}
	var settings training.Settings
	if err := convert(merged, &settings); err != nil {
		return cli.Usage("settings of %s: %v", m, err)
	}
	lora := training.LoRASettings{}
	if o.in.LoRA != nil {
		lora = *o.in.LoRA
	}
	if _, _, _, err := training.Resolve(m, settings, lora); err != nil {
		return cli.Usage("%v", err)
	}
	if len(merged) == 0 {
		return nil
	}
	switch m {
	case training.DPO:
		o.in.DPO = &settings
	case training.KTO:
		o.in.KTO = &settings
	case training.Embedding:
		o.in.Embedding = &settings
	default:
		o.in.SFT = &settings
	}
	return nil
}

// put sets a value by its dotted name.
func put(into map[string]any, name string, value any) error {
	parts := strings.Split(name, ".")
	for _, part := range parts[:len(parts)-1] {
		if into[part] == nil {
			into[part] = map[string]any{}
		}
		next, ok := into[part].(map[string]any)
		if !ok {
			return fmt.Errorf("%s is not an object", part)
		}
		into = next
	}
	into[parts[len(parts)-1]] = value
	return nil
}

func convert(from, into any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return strictjson.Unmarshal(data, into)
}

// uploads uploads local datasets, so that a worker can read them.
func (a app) uploads(ctx context.Context, in *train.Input, o options) error {
	name := func(dataset string) (activities.Dataset, error) {
		if transfer.Remote(dataset) {
			return activities.Dataset{URI: dataset}, nil
		}
		uri, err := a.upload(ctx, in.Tenant, dataset)
		return activities.Dataset{URI: uri, Name: format.BaseName(dataset)}, err
	}
	var err error
	if in.Dataset, err = name(o.dataset); err != nil || o.eval == "" {
		return err
	}
	eval, err := name(o.eval)
	in.EvalDataset = &eval
	return err
}
