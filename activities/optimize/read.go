package optimize

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/optimize/rowimage"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro/confirm"
	"github.com/cogniverse/cogflow/prompt/saved"
	"github.com/cogniverse/cogflow/prompt/yaml"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
)

// gather reads all parts of a job: the values in an input, and the files that it names.
func (a *Activities) gather(ctx context.Context, in PrepareInput) (jobFile, error) {
	j := jobFile{Mode: in.Mode, Settings: in.Settings, GEPA: in.GEPA, Metric: in.Metric, Rules: currentRules().pinned()}
	var err error
	if j.Models, err = a.Models(); err != nil {
		return j, err
	}
	if j.Program, err = a.text(ctx, in.Tenant, "program", in.Program); err != nil {
		return j, err
	}
	if j.Program, err = yaml.JSON(j.Program, reflect.TypeFor[prompt.Program]()); err != nil {
		return j, fault.Wrap(fault.Input, "read program", in.Name, err)
	}
	if saved.Is(j.Program) { // the command line sends a program file
		program, err := saved.Named(in.Name, j.Program)
		if err != nil {
			return j, err
		}
		if j.Program, err = json.Marshal(program); err != nil {
			return j, fault.Wrap(fault.Input, "read program", in.Name, err)
		}
	}
	program, err := prompt.Read(j.Program)
	if err != nil {
		return j, err
	}
	j.Version = j.version(program)
	if len(j.Metric) == 0 {
		if j.Metric, err = json.Marshal(metric.Default(program)); err != nil {
			return j, err
		}
	}
	images := &rowimage.Reader{Documents: a.Documents, Tenant: in.Tenant, Inputs: program.Inputs()}
	for _, set := range []struct {
		name string
		from json.RawMessage
		to   *[]*prompt.Object
	}{{"trainset", in.Trainset, &j.Train}, {"valset", in.Valset, &j.Val}, {"testset", in.Testset, &j.Confirm}} {
		if *set.to, err = a.examples(ctx, in.Tenant, set.name, set.from); err != nil {
			return j, err
		}
		if err := images.Read(ctx, set.name, *set.to); err != nil {
			return j, err
		}
	}
	if program.IsExtended(j.Train, j.Val) {
		j.Version = fieldVersion
	}
	if len(j.Train) == 0 {
		return j, fault.New(fault.Input, "read trainset", "", "it has no examples")
	}
	if len(j.Confirm) == 0 { // a part of the valset, or of the trainset if there is no valset
		from, draws := &j.Train, 0
		if len(j.Val) > 0 {
			from, draws = &j.Val, in.Settings.Draws()
		}
		if in.Mode == ModeGEPA { // GEPA scores on all rows
			draws = 0
		}
		*from, j.Confirm = confirm.SetAside(*from, draws, in.Settings.Seed)
	}
	return j, nil
}

// text returns the value in an input, or the file that it names by {"uri"}.
func (a *Activities) text(ctx context.Context, t tenant.ID, what string, raw json.RawMessage) (json.RawMessage, error) {
	var at struct {
		URI string `json:"uri"`
	}
	// An object with any other field is not a reference, but the value itself.
	if len(raw) == 0 || strictjson.Unmarshal(raw, &at) != nil || at.URI == "" {
		return raw, nil
	}
	open, name, closeAll, err := activities.OpenDataset(ctx, a.Store, a.Documents, t, activities.Dataset{URI: at.URI})
	if err != nil {
		return nil, err
	}
	defer closeAll()
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxExamplesBytes+1))
	if err == nil && len(data) > maxExamplesBytes {
		err = fault.New(fault.Input, "read "+what, name, "more than 256 MiB")
	}
	return data, fault.Disk("read "+what, name, err)
}

// examples reads a JSON array of objects, or one object per line.
func (a *Activities) examples(ctx context.Context, t tenant.ID, what string, raw json.RawMessage) ([]*prompt.Object, error) {
	text, err := a.text(ctx, t, what, raw)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return nil, err
	}
	var out []*prompt.Object
	bad := func(place int, err error) error {
		return fault.Wrap(fault.Input, "read "+what, fmt.Sprintf("example %d", place), err)
	}
	if bytes.TrimSpace(text)[0] == '[' {
		if err := strictjson.Unmarshal(text, &out); err != nil {
			return nil, bad(len(out), err)
		}
	} else {
		d := json.NewDecoder(bytes.NewReader(text))
		for {
			var line json.RawMessage
			err := d.Decode(&line)
			if errors.Is(err, io.EOF) {
				break
			}
			o := &prompt.Object{}
			if err == nil {
				err = strictjson.Unmarshal(line, o)
			}
			if err != nil {
				return nil, bad(len(out)+1, err)
			}
			out = append(out, o)
		}
	}
	for i, o := range out {
		if o == nil || o.Len() == 0 {
			return nil, bad(i+1, errors.New("must be an object with the program's inputs and the expected outputs"))
		}
	}
	if len(out) > maxExamples {
		return nil, fault.New(fault.Input, "read "+what, "", fmt.Sprintf("%d examples; must be at most %d", len(out), maxExamples))
	}
	return out, nil
}
