package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// Foreign is a profile of Cogniverse's backend.profiles that this configuration cannot run.
type Foreign struct {
	Name      string `json:"name"`
	Model     string `json:"model,omitempty"`          // embedding_model
	Embedding string `json:"embedding_type,omitempty"` // "frame_based", "video_chunks", …
	why       string
}

// Missing says what is missing to run the profile.
func (f Foreign) Missing() string { return f.why }

// MarshalJSON adds why.
func (f Foreign) MarshalJSON() ([]byte, error) {
	type plain Foreign
	return json.Marshal(struct {
		plain
		Missing string `json:"missing"`
	}{plain(f), f.why})
}

// Profile returns the profile of a name, or for "" the active one. Unknown
// names and profiles that this build cannot run are input faults.
func (c Config) Profile(name string) (video.Profile, error) {
	name = cmp.Or(name, c.Active())
	if p, ok := c.profiles[name]; ok {
		return p, nil
	}
	if f, ok := c.foreign[name]; ok {
		return video.Profile{}, fault.New(fault.Input, "choose profile", name,
			f.Missing()+"; name another profile, or set cogflow.active_profile")
	}
	if name == video.LocalSmall().Name {
		return video.Profile{}, fault.New(fault.Input, "choose profile", name,
			"no server of small models is configured; run make small, then make up, or set cogflow.small_models")
	}
	return video.Profile{}, fault.New(fault.Input, "choose profile", name,
		"no such profile; supported: "+strings.Join(slices.Sorted(maps.Keys(c.profiles)), ", "))
}

// Active is the name of Profile(""): cogflow.active_profile, otherwise Cogniverse's
// active_video_profile, otherwise local_preview.
func (c Config) Active() string { return cmp.Or(c.active, video.LocalPreview().Name) }

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

// takeProfiles builds every profile: those of cogflow, of Cogniverse, and cogflow's applied
// over Cogniverse's of the same name.
func (c *Config) takeProfiles(s section) (problems Problems) {
	preview := video.LocalPreview()
	c.profiles[preview.Name] = preview
	for _, name := range slices.Sorted(maps.Keys(s.Profiles)) {
		base, known := c.theirs[name]
		if !known {
			base = video.Profile{Name: name, Describe: preview.Describe, Embed: preview.Embed}
		}
		p := s.Profiles[name].over(base)
		c.setParameters(&p.Describe, s.Profiles[name].Describe)
		err := p.Check()
		if name == preview.Name {
			err = errors.New("the name is reserved for the embedded defaults")
		}
		if err == nil {
			err = c.served(p)
		}
		if err != nil {
			problems = append(problems, Problem{Place: "cogflow.profiles." + name, Text: reason(err), Fix: "correct or rename the profile"})
			continue
		}
		c.profiles[name] = p
		delete(c.foreign, name)
	}
	c.takeSmall(s)
	for name, p := range c.theirs {
		if _, done := c.profiles[name]; done || s.has(name) {
			continue
		}
		p = p.Normal()
		c.setParameters(&p.Describe, stage{})
		err := p.Check()
		if err == nil {
			err = c.served(p)
		}
		if err != nil {
			f := c.foreign[name]
			f.why = reason(err)
			c.foreign[name] = f
			continue
		}
		c.profiles[name] = p
		delete(c.foreign, name)
	}
	return problems
}

func (s section) has(name string) bool { _, ok := s.Profiles[name]; return ok }

// served reports whether every stage of a profile has a model to run on. A preview model
// never replaces a configured one.
func (c Config) served(p video.Profile) error {
	missing := func(what string, s video.Stage) error {
		return fault.New(fault.Input, "check profile", p.Name, "no endpoint serves its "+what+" model "+strconv.Quote(s.Model)+
			"; add one to cogflow.endpoints, or name another model for the stage in cogflow.profiles."+p.Name)
	}
	switch e, ok := c.Embedder(p.Embed); {
	case !ok && !p.Embed.Preview:
		return missing("embedding", p.Embed)
	case p.Embed.Roles != nil && p.Embed.Roles.Parameter != "" && e.Kind != Embeddings:
		return fault.New(fault.Input, "check profile", p.Name, "embed.roles.parameter requires an endpoint of kind embeddings; use prefixes instead")
	}
	switch e, ok := c.Describer(p.Describe); {
	case !ok && !p.Describe.Preview && p.Describe.Model != "":
		return missing("describe", p.Describe)
	case ok && e.Kind != OpenAI:
		if err := (video.DescribeRequest{Stage: p.Describe}).OnePicture("endpoint " + e.Name + " of kind " + string(e.Kind)); err != nil {
			return err
		}
	}
	if _, ok := c.Transcriber(p.Transcribe); !ok && p.Transcribe.Model != "" {
		return missing("transcribe", p.Transcribe)
	}
	return nil
}

// over applies what people wrote over a base.
func (p profile) over(base video.Profile) video.Profile {
	preview := video.LocalPreview()
	out := base
	if p.Sampling != (video.Sampling{}) {
		out.Sampling = p.Sampling
	}
	out.ChunkFrames, out.GPUWait = cmp.Or(p.ChunkFrames, base.ChunkFrames), cmp.Or(time.Duration(p.GPUWait), base.GPUWait)
	out.Transcribe = p.Transcribe.over(base.Transcribe)
	out.Describe = p.Describe.over(base.Describe)
	out.Embed = p.Embed.over(base.Embed)
	// A preview model is recognized by its name, not by the file.
	for _, stage := range []struct{ to, preview *video.Stage }{{&out.Describe, &preview.Describe}, {&out.Embed, &preview.Embed}} {
		stage.to.Preview = stage.to.Model == stage.preview.Model
		if stage.to.Preview {
			stage.to.Revision, stage.to.Dim, stage.to.Unpriced = stage.preview.Revision, stage.preview.Dim, false
		}
	}
	return out.Normal()
}

// setParameters sets the parameters of requests of a describe stage: the profile's, otherwise
// those of its endpoint.
func (c Config) setParameters(to *video.Stage, s stage) {
	if to.Model == "" {
		return
	}
	e, _ := c.Describer(*to)
	temperature, limit := s.Temperature.over(e.temperature()), positive(s.MaxTokens).over(e.maxTokens())
	to.Temperature, to.MaxTokens = temperature.or(0), limit.or(0)
	to.Omit = omitted(map[string]bool{
		Temperature: temperature.null, MaxTokens: limit.null, ResponseFormat: to.Structured && omits(e.Omit, ResponseFormat),
	})
}

func (s stage) over(base video.Stage) video.Stage {
	if s.Off {
		return video.Stage{}
	}
	out := base
	if s.Model != "" && s.Model != base.Model {
		out = video.Stage{Model: s.Model, Unpriced: true}
	}
	out.Revision, out.Prompt, out.Language = cmp.Or(s.Revision, out.Revision), cmp.Or(s.Prompt, out.Prompt), cmp.Or(s.Language, out.Language)
	out.Structured, out.Multi = out.Structured || s.Structured, out.Multi || s.Multi
	out.MaxPixels = cmp.Or(s.MaxPixels, out.MaxPixels)
	out.Of, out.Keep, out.Dim = cmp.Or(s.Of, out.Of), cmp.Or(s.Keep, out.Keep), cmp.Or(s.Dim, out.Dim)
	out.Roles = cmp.Or(s.Roles, out.Roles)
	if s.CostMicroUSD != nil {
		out.CostMicroUSD, out.Unpriced = *s.CostMicroUSD, false
	}
	if len(s.GPU) > 0 {
		out.GPU = video.GPUNames(s.GPU)
	}
	return out
}
