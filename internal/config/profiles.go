package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// Foreign is a profile of Cogniverse's backend.profiles. This build can name
// it, but has nothing to run its models with.
type Foreign struct {
	Name      string `json:"name"`
	Model     string `json:"model,omitempty"`          // embedding_model
	Embedding string `json:"embedding_type,omitempty"` // "frame_based", "video_chunks", …
}

// Missing says what it takes to run the profile.
func (f Foreign) Missing() string {
	model := "its embedding model"
	if f.Model != "" {
		model += " " + strconv.Quote(f.Model)
	}
	return "this build has no adapter for " + model
}

// Profile returns the profile of a name, or for "" the active one. Unknown
// names and profiles that this build cannot run are input faults.
func (c Config) Profile(name string) (video.Profile, error) {
	name = or(name, c.Active())
	if p, ok := c.profiles[name]; ok {
		return p, nil
	}
	if f, ok := c.foreign[name]; ok {
		return video.Profile{}, fault.New(fault.Input, "choose profile", name,
			f.Missing()+"; name another profile, or set cogflow.active_profile")
	}
	return video.Profile{}, fault.New(fault.Input, "choose profile", name,
		"no such profile; known are "+strings.Join(slices.Sorted(maps.Keys(c.profiles)), ", "))
}

// Active is the name that Profile("") takes: cogflow.active_profile, else
// Cogniverse's active_video_profile, else local_preview.
func (c Config) Active() string { return or(c.active, video.LocalPreview().Name) }

// Profiles lists the profiles that can be run, by name.
func (c Config) Profiles() []video.Profile {
	out := make([]video.Profile, 0, len(c.profiles))
	for _, name := range slices.Sorted(maps.Keys(c.profiles)) {
		out = append(out, c.profiles[name])
	}
	return out
}

// Foreign lists the profiles of backend.profiles, by name.
func (c Config) Foreign() []Foreign {
	out := make([]Foreign, 0, len(c.foreign))
	for _, name := range slices.Sorted(maps.Keys(c.foreign)) {
		out = append(out, c.foreign[name])
	}
	return out
}

// cogniverse reads the keys of Cogniverse's own that say something here.
func (c *Config) cogniverse(file map[string]json.RawMessage) (problems Problems) {
	if raw, ok := file["active_video_profile"]; ok && json.Unmarshal(raw, &c.active) != nil {
		problems = append(problems, Problem{Place: "active_video_profile", Text: "not a string", Fix: "name a profile"})
	}
	var backend struct {
		Profiles map[string]json.RawMessage `json:"profiles"`
	}
	if raw, ok := file["backend"]; ok && json.Unmarshal(raw, &backend) != nil {
		problems = append(problems, Problem{Place: "backend.profiles", Text: "not an object of profiles", Fix: "correct the section"})
	}
	for name, raw := range backend.Profiles {
		var p struct {
			Model     string `json:"embedding_model"`
			Embedding string `json:"embedding_type"`
		}
		if json.Unmarshal(raw, &p) != nil {
			p.Model = "" // another shape than ours to know; the name is enough to list it
		}
		c.foreign[name] = Foreign{Name: name, Model: p.Model, Embedding: p.Embedding}
	}
	return problems
}

// video completes a profile: stages that name no model take the preview models.
func (p profile) video(name string) (video.Profile, error) {
	preview := video.LocalPreview()
	out := video.Profile{
		Name: name, Sampling: p.Sampling, ChunkFrames: p.ChunkFrames,
		Describe: p.Describe.video(preview.Describe), Embed: p.Embed.video(preview.Embed),
		GPUWait: time.Duration(p.GPUWait),
	}.Normal()
	return out, out.Check()
}

func (s stage) video(preview video.Stage) video.Stage {
	out := video.Stage{
		Model: or(s.Model, preview.Model), Revision: s.Revision, Prompt: s.Prompt, Dim: s.Dim,
		GPU: s.GPU, CostMicroUSD: s.CostMicroUSD,
	}
	// A preview model is one by its name; no file may say otherwise.
	if out.Model == preview.Model {
		out.Revision, out.Dim, out.Preview = preview.Revision, preview.Dim, true
	}
	return out
}
