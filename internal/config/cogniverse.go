package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/video"
)

// Cogniverse's own file, for ingestion: the profiles of backend.profiles with their
// strategies, the backend, and the VLM service.

type cogniverseProfile struct {
	Type      string `json:"type"` // "video"; others belong to other parts of Cogniverse
	Model     string `json:"embedding_model"`
	Embedding string `json:"embedding_type"`
	Pipeline  struct {
		FPS        float64 `json:"keyframe_fps"`
		Transcribe *bool   `json:"transcribe_audio"`
		Describe   *bool   `json:"generate_descriptions"`
	} `json:"pipeline_config"`
	Strategies struct {
		Segmentation  strategy `json:"segmentation"`
		Transcription strategy `json:"transcription"`
		Description   strategy `json:"description"`
		Embedding     strategy `json:"embedding"`
	} `json:"strategies"`
	Specific struct {
		FPS float64 `json:"sampling_fps"`
	} `json:"model_specific"`
	Schema struct {
		Dim int `json:"embedding_dim"`
	} `json:"schema_config"`
}

// strategy is one strategy class with all possible parameters.
type strategy struct {
	Class  string `json:"class"`
	Params struct {
		FPS             float64 `json:"fps"`
		MaxFrames       int     `json:"max_frames"`
		ChunkDuration   float64 `json:"chunk_duration"` // seconds
		ChunkOverlap    float64 `json:"chunk_overlap"`
		SegmentDuration float64 `json:"segment_duration"`
		SegmentOverlap  float64 `json:"segment_overlap"`
		SamplingFPS     float64 `json:"sampling_fps"`
		FramesASegment  int     `json:"max_frames_per_segment"`
		Model           string  `json:"model"`
		VLMEndpoint     string  `json:"vlm_endpoint"`
	} `json:"params"`
}

// Defaults of Cogniverse's strategies.
const (
	whisper         = "whisper-large-v3"
	stillsASegment  = 16 // what VideoPrism was trained on
	maxStills       = 64
	defaultChunkS   = 30
	defaultSegmentS = 6
	cogniverseCap   = 3000 // max_frames
)

// profile translates a profile: what Cogniverse's strategies would do, done by cogflow.
func (p cogniverseProfile) profile(name string) video.Profile {
	out := video.Profile{Name: name, Sampling: p.sampling()}
	out.Embed = video.Stage{Model: p.Model, Dim: p.Schema.Dim, Of: video.OfFrame, Unpriced: true}
	if out.Sampling.Strategy == video.Segments {
		out.Embed.Of = video.OfSegment
	}
	if p.Embedding != "single_vector" && p.Strategies.Embedding.Class != "SingleVectorEmbeddingStrategy" {
		out.Embed.Multi, out.Embed.Keep = true, video.KeepBFloat16
	}
	if wanted(p.Pipeline.Transcribe, p.Strategies.Transcription, "NoTranscriptionStrategy") {
		out.Transcribe = video.Stage{Model: cmp.Or(p.Strategies.Transcription.Params.Model, whisper), Unpriced: true}
	}
	if wanted(p.Pipeline.Describe, p.Strategies.Description, "NoDescriptionStrategy") {
		out.Describe = video.Stage{Model: defaultVLM, Unpriced: true}
	}
	return out
}

// wanted reports whether a stage runs, unless the pipeline or the strategy disables it. One
// of Cogniverse's builders ignored the pipeline's setting.
func wanted(flag *bool, s strategy, none string) bool {
	if s.Class == none {
		return false
	}
	return flag == nil && s.Class != "" || flag != nil && *flag
}

func (p cogniverseProfile) sampling() video.Sampling {
	s := p.Strategies.Segmentation.Params
	seconds := func(v float64) int64 { return int64(math.Round(v * 1000)) }
	single := p.Strategies.Segmentation.Class == "SingleVectorSegmentationStrategy" || p.Embedding == "single_vector"
	chunks := p.Strategies.Segmentation.Class == "ChunkSegmentationStrategy" ||
		p.Embedding == "video_chunks" || p.Embedding == "direct_video_segment"
	switch {
	case single:
		window := cmp.Or(s.SegmentDuration, defaultSegmentS)
		stills := cmp.Or(s.FramesASegment, int(math.Round(window*cmp.Or(s.SamplingFPS, 2))))
		return video.Sampling{
			Strategy: video.Segments, WindowMS: seconds(window), OverlapMS: seconds(s.SegmentOverlap),
			Stills: min(max(stills, 1), maxStills), DedupDistance: -1,
		}
	case chunks:
		window, stills := cmp.Or(s.ChunkDuration, defaultChunkS), stillsASegment
		if p.Specific.FPS > 0 {
			stills = int(math.Round(window * p.Specific.FPS))
		}
		return video.Sampling{
			Strategy: video.Segments, WindowMS: seconds(window), OverlapMS: seconds(s.ChunkOverlap),
			Stills: min(max(stills, 1), maxStills), DedupDistance: -1,
		}
	default:
		return video.Sampling{
			Strategy: video.FixedRate, FPS: cmp.Or(cmp.Or(s.FPS, p.Pipeline.FPS), 1), MaxFrames: cmp.Or(s.MaxFrames, cogniverseCap),
		}
	}
}

// cogniverse reads Cogniverse's own keys that are used here.
func (c *Config) cogniverse(file map[string]json.RawMessage) (problems Problems) {
	text := func(key string, to *string) {
		if raw, ok := file[key]; ok && strictjson.Unmarshal(raw, to) != nil {
			problems = append(problems, Problem{Place: key, Text: "not a string", Fix: "correct the value"})
		}
	}
	text("active_video_profile", &c.active)
	text("vlm_endpoint_url", &c.vlmURL)
	var backend struct {
		Type     string                     `json:"type"`
		URL      string                     `json:"url"`
		Port     int                        `json:"port"`
		Profiles map[string]json.RawMessage `json:"profiles"`
	}
	if raw, ok := file["backend"]; ok && strictjson.Unmarshal(raw, &backend, strictjson.AllowUnknown) != nil {
		return append(problems, Problem{Place: "backend", Text: "not an object with type, url, port and profiles", Fix: "correct the section"})
	}
	if backend.Type == "vespa" {
		var err error
		if c.Vespa, err = vespaAt(backend.URL, backend.Port); err != nil {
			problems = append(problems, Problem{Place: "backend.url", Text: err.Error(), Fix: "write it like http://localhost, with the port beside it"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(backend.Profiles)) {
		raw := backend.Profiles[name]
		var p cogniverseProfile
		if err := strictjson.Unmarshal(raw, &p, strictjson.AllowUnknown); err != nil {
			c.foreign[name] = Foreign{Name: name, why: "it is not written as Cogniverse's profiles are: " + err.Error()}
			continue
		}
		c.foreign[name] = Foreign{Name: name, Model: p.Model, Embedding: p.Embedding}
		if p.Type != "" && p.Type != "video" {
			c.foreign[name] = Foreign{Name: name, Model: p.Model, Embedding: p.Embedding, why: "it is for " + p.Type + "s; cogflow ingests videos"}
			continue
		}
		c.theirs[name] = p.profile(name)
		c.vlmURL = cmp.Or(c.vlmURL, p.Strategies.Description.Params.VLMEndpoint)
	}
	return problems
}

// vespaAt returns the addresses of Vespa's containers and its config server.
func vespaAt(base string, port int) (*Vespa, error) {
	u, err := url.Parse(cmp.Or(base, "http://localhost"))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("not an http address")
	}
	query, deploy := *u, *u
	if port != 0 {
		query.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
	} else if u.Port() == "" {
		query.Host = net.JoinHostPort(u.Hostname(), "8080")
	}
	deploy.Host = net.JoinHostPort(u.Hostname(), "19071")
	return &Vespa{URL: strings.TrimSuffix(query.String(), "/"), ConfigURL: strings.TrimSuffix(deploy.String(), "/")}, nil
}
