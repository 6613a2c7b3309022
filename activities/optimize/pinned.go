package optimize

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/optimize/rules"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// The version of a job's decisions changes whenever a search would make other requests or
// decide differently from the same answers. A job keeps the version that it began with.
const (
	formerVersion = 1 // as DSPy 3.3
	searchVersion = 2 // as DSPy 3.4
	fieldVersion  = 3 // the same, with what former builds do not know: fields or rows (images, defaults, no value of an optional input), or rules.Improved
)

// version is the version of a new job. A job with one predictor and without a schema that a
// server enforces is decided equally by both versions, and keeps its name.
func (j jobFile) version(program *prompt.Program) int {
	m := j.Models
	if j.Mode != ModeGEPA && len(program.Predictors) == 1 && !m.Student.Server.Schema && !m.Teacher.Server.Schema &&
		!m.Proposer.Server.Schema && !m.Judge.Server.Schema {
		return formerVersion
	}
	return searchVersion
}

// encode returns the stored form of the job, and its name.
func (j jobFile) encode() (text []byte, name string, err error) {
	text, err = json.Marshal(j)
	return text, string(video.NewFingerprint("optimize", string(text)))[:24], err
}

// ruled gives a job of mode improved the rules of this build, unless a former build has begun
// the same job: that one goes on by its rules.
func (a *Activities) ruled(ctx context.Context, t tenant.ID, j jobFile) (jobFile, error) {
	if j.Mode != ModeImproved {
		return j, nil
	}
	_, former, err := j.encode()
	if err != nil {
		return j, fault.Wrap(fault.Input, "store optimization", "", err)
	}
	var sets json.RawMessage
	err = activities.ReadJSON(ctx, a.Store, prefixOf(t, former)+"sets.json", &sets)
	if activities.Absent(err) {
		j.Rules, j.Version, err = rules.Improved().Pinned(), fieldVersion, nil
	}
	return j, err
}

// knownVersion reports whether this build decides a job of a version.
func knownVersion(v int) bool { return v >= formerVersion && v <= fieldVersion }

// server is a model's server as the job uses it.
func (j jobFile) server(m prompt.Model) prompt.Server {
	m.Server.JSONAfterSchema = j.Version == formerVersion
	return m.Server
}

// resumed continues a search. If this build decides differently from the stored trials, it
// continues from the last trial on which both agree. An upgrade thus never fails a run, and
// costs little, because the answers are stored.
func resumed(plan *mipro.Plan, sets [][][]*prompt.Object, instructions [][]string, made []search.Trial) (*search.Search, error) {
	s, err := search.New(plan, sets, instructions, made)
	if other, ok := errors.AsType[*search.OtherTrialError](err); ok {
		return search.New(plan, sets, instructions, made[:other.Trial])
	}
	return s, err
}
