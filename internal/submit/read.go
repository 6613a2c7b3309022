package submit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/uuid"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
	"github.com/cogniverse/cogflow/workflows/frames"
	"github.com/cogniverse/cogflow/workflows/ingest"
	"github.com/cogniverse/cogflow/workflows/optimize"
	"github.com/cogniverse/cogflow/workflows/train"

	optimizing "github.com/cogniverse/cogflow/activities/optimize"
)

const readInput = "read input"

// Read reads the input of a workflow type, checks it by the rules of the workflow, and returns the
// job that `cogflow` would start: with the same id for the same input. owner is the tenant of the
// caller. active is the profile of an input without one.
func Read(t catalog.Type, data []byte, owner tenant.ID, active string) (Job, error) {
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return Job{}, fault.New(fault.Input, readInput, "", "must be a JSON object: the input of "+t.Name)
	}
	value := reflect.New(reflect.TypeOf(t.Func).In(1))
	if err := strictjson.Unmarshal(data, value.Interface()); err != nil {
		return Job{}, fault.Wrap(fault.Input, readInput, "", err)
	}
	startable, ok := reflect.TypeAssert[workflows.Startable](value)
	common, has := reflect.TypeAssert[*workflows.Common](value.Elem().FieldByName("Common").Addr())
	if !ok || !has {
		return Job{}, fmt.Errorf("the input of %s cannot be checked", t.Name) // a bug, which a test finds
	}
	said := common.Tenant
	common.Tenant = string(owner)
	if err := startable.CheckStart(t.Name); err != nil {
		return Job{}, err
	}
	if said != "" && said != string(owner) {
		return Job{}, fault.New(fault.Input, readInput, "tenant", "must be the tenant of the key or of the listener, or left out")
	}
	if common.Priority == 0 {
		common.Priority = defaultPriority
	}
	return build(t, value.Elem().Interface(), *common, active)
}

const defaultPriority = 3

// build makes the job of a checked input.
func build(t catalog.Type, input any, common workflows.Common, active string) (Job, error) {
	switch in := input.(type) {
	case ingest.LibraryInput:
		return Library(in, active), nil
	case ingest.VideoInput:
		return Video(in, active), nil
	case ingest.DeleteVideoInput:
		const shown = 12 // digits of a hash
		return Job{
			Kind: t.Name, ID: fmt.Sprintf("delete-%s-%s-%s", in.Tenant, in.Profile, in.Video[:shown]), Common: common, Profile: in.Profile,
			Summary: "delete video " + in.Video[:shown], Input: in, Name: in.Video[:shown],
		}, nil
	case frames.Input:
		return Frames(in)
	case train.Input:
		return trainingRun(t.Name, in)
	case train.SweepInput:
		return sweep(t.Name, in)
	case optimize.Input:
		if in.Mode == "" {
			in.Mode = optimizing.ModeImproved
		}
		return Optimize(in, programName(in))
	}
	stem, _, _ := strings.Cut(t.Command, " ")
	return Job{
		Kind: t.Name, ID: fmt.Sprintf("%s-%s-%s", stem, common.Tenant, uuid.NewString()), Common: common, Input: input,
		Summary: strings.ToLower(t.Summary[:1]) + t.Summary[1:],
	}, nil
}

// trainingRun writes an input as the command line does, so that both derive the same id.
func trainingRun(kind string, in train.Input) (Job, error) {
	if in.Name == "" {
		in.Name = train.DefaultName(train.MethodOf(kind), in.BaseModel)
	}
	for i, name := range in.GPU {
		in.GPU[i] = video.GPUClass(name)
	}
	if in.Continue != "" {
		start, err := training.ParseStart(in.Continue)
		if err != nil {
			return Job{}, err
		}
		in.Continue = start.String()
	}
	return Train(kind, in)
}

func sweep(kind string, in train.SweepInput) (Job, error) {
	var one struct {
		Name string `json:"name"`
		Base string `json:"base_model"`
	}
	if err := strictjson.Unmarshal(in.Train, &one, strictjson.AllowUnknown); err != nil {
		return Job{}, fault.Wrap(fault.Input, readInput, "train", err)
	}
	name := one.Name
	if name == "" {
		name = train.DefaultName(in.Method, one.Base)
	}
	if err := training.CheckName("train.name", name); err != nil {
		return Job{}, err
	}
	id, err := ID("sweep", in.Tenant, name, in)
	return Job{
		Kind: kind, ID: id, Common: in.Common, Input: in, Name: name, Summary: fmt.Sprintf("sweep %s %s", in.Method, name),
		Details: fmt.Sprintf("Tenant `%s`, adapter `%s`.", in.Tenant, name),
	}, err
}

// programName is the name of a program that is to be optimized.
func programName(in optimize.Input) string {
	if in.Name != "" {
		return in.Name
	}
	var program struct {
		Name string `json:"name"`
	}
	// The workflow reads the program, and says what is wrong with it.
	if json.Unmarshal(in.Program, &program) != nil || training.CheckName("name", program.Name) != nil {
		return "program"
	}
	return program.Name
}
