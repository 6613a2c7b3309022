package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/workflows"
)

// trainInput completes o.in and finds out the method. What is wrong with the
// settings is said here, before anything is uploaded or started.
func (a *App) trainInput(ctx context.Context, method string, o *trainOptions) (training.Method, error) {
	if err := normal(&o.in.Common); err != nil {
		return "", err
	}
	switch {
	case o.dataset == "":
		return "", usage("--dataset wants the rows to train on: a file, s3://… or https://…")
	case o.in.BaseModel == "":
		return "", usage("--base-model wants a model to start from")
	}
	for name, text := range map[string]string{"--gpu-wait": o.in.GPUWait, "--timeout": o.in.Timeout} {
		if d, err := time.ParseDuration(text); text != "" && (err != nil || d <= 0) {
			return "", usage(`%s wants a time such as "90s", "10m" or "8h"`, name)
		}
	}
	m, err := a.method(ctx, method, *o)
	if err != nil {
		return "", err
	}
	if o.in.Name == "" {
		o.in.Name = string(m) + "-" + o.in.BaseModel[strings.LastIndexByte(o.in.BaseModel, '/')+1:]
	}
	if err := training.CheckName("name", o.in.Name); err != nil {
		return "", usage("%v", err)
	}
	if o.in.Role != "" {
		if err := training.CheckName("role", o.in.Role); err != nil {
			return "", usage("%v", err)
		}
	}
	if o.isSeeded() {
		o.in.Seed = &o.seed
	}
	return m, o.settings(m)
}

// method reads the name of a method; auto looks at the rows.
func (a *App) method(ctx context.Context, name string, o trainOptions) (training.Method, error) {
	switch m := training.Method(name); {
	case m == training.SFT || m == training.DPO || m == training.Embedding:
		return m, nil
	case name != auto:
		return "", usage("unknown method %q: want sft, dpo, embedding or auto", name)
	case remote(o.dataset):
		return "", usage("auto counts the rows of a local file; name the method of %s", o.dataset)
	}
	check, err := dataset.Prepare(ctx, dataset.CheckOptions{Name: o.dataset}, localRows(o.dataset), nil, io.Discard, io.Discard)
	if err != nil {
		return "", err
	}
	if check.Choice != nil && !a.Quiet {
		a.note("Method: %s (%s)", check.Method, check.Choice.Reason)
	}
	return check.Method, nil
}

// settings merges the file of settings and single ones, and checks them.
func (o *trainOptions) settings(m training.Method) error {
	merged := map[string]any{}
	if o.config != "" {
		data, err := os.ReadFile(o.config)
		if err != nil {
			return fault.Wrap(fault.Input, "read settings", o.config, err)
		}
		if err := decodeExact(data, &merged); err != nil || merged == nil {
			return fault.New(fault.Input, "read settings", o.config, fmt.Sprintf("want one JSON object of settings: %v", err))
		}
	}
	for _, text := range o.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return usage("--set wants name=value, not %q", text)
		}
		if err := put(merged, name, jsonValue(value)); err != nil {
			return usage("--set %s: %v", name, err)
		}
	}
	if lora, ok := merged["lora"]; ok {
		delete(merged, "lora")
		o.in.LoRA = &training.LoRASettings{}
		if err := convert(lora, o.in.LoRA); err != nil {
			return usage("settings of lora: %v", err)
		}
	}
	var settings training.Settings
	if err := convert(merged, &settings); err != nil {
		return usage("settings of %s: %v", m, err)
	}
	lora := training.LoRASettings{}
	if o.in.LoRA != nil {
		lora = *o.in.LoRA
	}
	if _, _, _, err := training.Resolve(m, settings, lora); err != nil {
		return usage("%v", err)
	}
	if len(merged) == 0 {
		return nil
	}
	switch m {
	case training.DPO:
		o.in.DPO = &settings
	case training.Embedding:
		o.in.Embedding = &settings
	default:
		o.in.SFT = &settings
	}
	return nil
}

// put sets a value at a dotted place.
func put(into map[string]any, name string, value any) error {
	parts := strings.Split(name, ".")
	for _, part := range parts[:len(parts)-1] {
		if into[part] == nil {
			into[part] = map[string]any{}
		}
		next, ok := into[part].(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object", part)
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

// uploads puts local datasets where a worker finds them.
func (a *App) uploads(ctx context.Context, in *workflows.TrainInput, o trainOptions) error {
	name := func(dataset string) (activities.Dataset, error) {
		if remote(dataset) {
			return activities.Dataset{URI: dataset}, nil
		}
		uri, err := upload(ctx, a, in.Tenant, dataset)
		return activities.Dataset{URI: uri, Name: baseName(dataset)}, err
	}
	var err error
	if in.Dataset, err = name(o.dataset); err != nil || o.eval == "" {
		return err
	}
	eval, err := name(o.eval)
	in.EvalDataset = &eval
	return err
}
