package submit

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"time"

	"github.com/cogniverse/cogflow/workflows/frames"
	"github.com/cogniverse/cogflow/workflows/ingest"
	"github.com/cogniverse/cogflow/workflows/optimize"
	"github.com/cogniverse/cogflow/workflows/train"
)

// Library is the job of an ingest. active is the profile of an input without one.
func Library(in ingest.LibraryInput, active string) Job {
	profile := cmp.Or(in.Profile, active)
	return Job{
		Kind: "IngestLibrary", ID: sourceID("ingest", in.Tenant, profile, in.Source), Common: in.Common, Profile: profile,
		Summary: "ingest " + in.Source,
		Details: fmt.Sprintf("Tenant `%s`, profile `%s`, source %s.", in.Tenant, profile, quoted(in.Source)),
		Input:   in, DryRun: in.DryRun, Name: baseName(in.Source),
	}
}

// Video is the job of one video. active is the profile of an input without one.
func Video(in ingest.VideoInput, active string) Job {
	profile := cmp.Or(in.Profile, active)
	return Job{
		Kind: "IngestVideo", ID: sourceID("video", in.Tenant, profile, in.URI), Common: in.Common, Profile: profile,
		Summary: "ingest " + in.URI,
		Details: fmt.Sprintf("Tenant `%s`, profile `%s`, video %s.", in.Tenant, profile, quoted(in.URI)),
		Input:   in, Name: baseName(in.URI),
	}
}

func sourceID(stem, tenant, profile, source string) string {
	return fmt.Sprintf("%s-%s-%s-%s", stem, tenant, profile, digest([]byte(source)))
}

// baseName is the last element of a path or URI.
func baseName(uri string) string {
	if u, err := url.Parse(uri); err == nil && u.Scheme != "" && u.Path != "" {
		uri = u.Path
	}
	return path.Base(uri)
}

// Train is the job of one training run. The id does not depend on whether it is a dry run.
func Train(kind string, in train.Input) (Job, error) {
	job := in
	job.DryRun = false
	id, err := ID("train", in.Tenant, in.Name, job)
	return Job{
		Kind: kind, ID: id, Common: in.Common, Input: in, DryRun: in.DryRun, Name: in.Name,
		Summary: fmt.Sprintf("train %s %s from %s", train.MethodOf(kind), in.Name, in.BaseModel),
		Details: fmt.Sprintf("Tenant `%s`, adapter `%s`, base model %s.", in.Tenant, in.Name, quoted(in.BaseModel)),
	}, err
}

// Optimize is the job of an optimization of a program with the given name.
func Optimize(in optimize.Input, name string) (Job, error) {
	job := in
	job.DryRun = false
	id, err := ID("optimize", in.Tenant, name, job)
	return Job{
		Kind: "OptimizePrompts", ID: id, Common: in.Common, Input: in, DryRun: in.DryRun, Name: name,
		Summary: fmt.Sprintf("optimize %s, %s", name, in.Mode),
		Details: fmt.Sprintf("Tenant `%s`, program `%s`, mode `%s`.", in.Tenant, name, in.Mode),
	}, err
}

// batchTime is how long a batch may take: a caller waits for it, so one that no worker and no model
// server has finished by then is over. The same call starts it again, without what is described.
const batchTime = 24 * time.Hour

// Frames is the job of a batch of frames.
func Frames(in frames.Input) (Job, error) {
	const shown = 12 // digits of a hash
	name := in.Batch[:shown]
	id, err := ID("frames", in.Tenant, name, in)
	return Job{
		Kind: "DescribeFrames", ID: id, Common: in.Common, Input: in, Name: name, Timeout: batchTime,
		Summary: "describe batch " + name + " with " + in.Model,
		Details: fmt.Sprintf("Tenant `%s`, model %s.", in.Tenant, quoted(in.Model)),
	}, err
}
