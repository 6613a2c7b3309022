package optimize

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/cogniverse/cogflow/activities/optimize/exampleset"
	"github.com/cogniverse/cogflow/activities/optimize/rowimage"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro/confirm"
	"github.com/cogniverse/cogflow/prompt/saved"
	"github.com/cogniverse/cogflow/prompt/yaml"
	"github.com/cogniverse/cogflow/tenant"
)

// gather reads all parts of a job: the values in an input, and the files that it names.
func (a *Activities) gather(ctx context.Context, in PrepareInput) (jobFile, error) {
	j := jobFile{Mode: in.Mode, Settings: in.Settings, GEPA: in.GEPA, Metric: in.Metric}
	var err error
	if j.Models, err = a.Models(); err != nil {
		return j, err
	}
	from := exampleset.Reader{Store: a.Store, Documents: a.Documents, Tenant: in.Tenant}
	if j.Program, err = from.Text(ctx, "program", in.Program); err != nil {
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
	for _, set := range []struct {
		name string
		from json.RawMessage
		to   *[]*prompt.Object
	}{{"trainset", in.Trainset, &j.Train}, {"valset", in.Valset, &j.Val}, {"testset", in.Testset, &j.Confirm}} {
		if *set.to, err = from.Examples(ctx, set.name, set.from); err != nil {
			return j, err
		}
	}
	if len(j.Train) == 0 {
		return j, fault.New(fault.Input, "read trainset", "", "it has no examples")
	}
	if err := a.images(ctx, in.Tenant, program, &j); err != nil {
		return j, err
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

// images reads the image files that rows name, and sets the version of a job with new fields.
func (a *Activities) images(ctx context.Context, t tenant.ID, program *prompt.Program, j *jobFile) error {
	m, err := metric.Read(j.Metric, program, columnsOf(j.Train, j.Val, j.Confirm))
	if err != nil {
		return err
	}
	judged := m.Inputs()
	if program.IsExtended(j.Train, j.Val) || slices.ContainsFunc(judged, func(f prompt.Field) bool { return f.IsExtended() }) {
		j.Version = fieldVersion
	}
	reader := &rowimage.Reader{Documents: a.Documents, Tenant: t, Inputs: slices.Concat(program.Inputs(), judged)}
	for _, set := range []struct {
		name string
		rows []*prompt.Object
	}{{"trainset", j.Train}, {"valset", j.Val}, {"testset", j.Confirm}} {
		if err := reader.Read(ctx, set.name, set.rows); err != nil {
			return err
		}
	}
	return nil
}
