package video

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// Strategy says which frames of a video are looked at.
type Strategy string

// The strategies.
const (
	FixedRate Strategy = "fps"       // one frame each 1/fps seconds
	Keyframes Strategy = "keyframes" // what the encoder marked, with a maximum gap
	Scene     Strategy = "scene"     // the first frame of each shot, with a maximum gap
	Segments  Strategy = "segments"  // the middle frame of each time window
)

// Sampling is how frames are extracted. Zero values take the defaults of Normal.
type Sampling struct {
	Strategy       Strategy `json:"strategy"`
	FPS            float64  `json:"fps,omitempty"`             // fps: frames a second, default 1
	MaxGapMS       int64    `json:"max_gap_ms,omitempty"`      // keyframes, scene: longest time without a frame, default 10 s
	SceneThreshold float64  `json:"scene_threshold,omitempty"` // scene: 0 to 1, default 0.3
	WindowMS       int64    `json:"window_ms,omitempty"`       // segments: default 30 s
	OverlapMS      int64    `json:"overlap_ms,omitempty"`      // segments: default 0
	MaxFrames      int      `json:"max_frames,omitempty"`      // default 20 000; what it cuts is reported
	DedupDistance  int      `json:"dedup_distance,omitempty"`  // drop frames within this dHash distance of the last kept one; default 2, -1 keeps all
	Width          int      `json:"width,omitempty"`           // longest frame width in pixels, default 1280; never enlarged
	Quality        int      `json:"quality,omitempty"`         // MJPEG quantizer 2 (best) to 31, default 4
	NoAudio        bool     `json:"no_audio,omitempty"`        // leave the sound track out
}

// extractorVersion changes whenever the same sampling would yield other bytes.
const extractorVersion = "1"

// Stage is one model stage of a profile: which model, and where it may run.
type Stage struct {
	Model        string   `json:"model"`
	Revision     string   `json:"revision,omitempty"`
	Prompt       string   `json:"prompt,omitempty"`
	Dim          int      `json:"dim,omitempty"`            // embed: cells a row
	Preview      bool     `json:"preview,omitempty"`        // a built-in preview model
	GPU          []string `json:"gpu,omitempty"`            // classes in order of preference, default cpu
	CostMicroUSD int64    `json:"cost_micro_usd,omitempty"` // price of one call, for estimates and budgets
}

// String names the model and its revision.
func (s Stage) String() string { return strings.TrimSpace(s.Model + " " + s.Revision) }

// Profile is a named recipe for ingestion. A run pins the whole of it at its
// start, so a changed configuration never mixes within one generation.
type Profile struct {
	Name        string        `json:"name"`
	Sampling    Sampling      `json:"sampling"`
	ChunkFrames int           `json:"chunk_frames"` // frames a chunk, default 64
	Describe    Stage         `json:"describe"`
	Embed       Stage         `json:"embed"`
	GPUWait     time.Duration `json:"gpu_wait,omitempty"` // how long to wait for a class before the next, default 10 min
}

// LocalPreview is the profile of the embedded defaults: models written in Go,
// honest about what they are, so that everything runs without a model or a key.
func LocalPreview() Profile {
	p := Profile{
		Name:     "local_preview",
		Sampling: Sampling{Strategy: FixedRate, FPS: 1},
		Describe: Stage{Model: "cogflow/preview-describer", Revision: "1", Preview: true},
		Embed:    Stage{Model: "cogflow/preview-embedder", Revision: "1", Dim: 256, Preview: true},
	}
	return p.Normal()
}

// Normal returns p with every default filled in.
func (p Profile) Normal() Profile {
	s := &p.Sampling
	setDefault(&s.Strategy, FixedRate)
	setDefault(&s.FPS, 1)
	setDefault(&s.MaxGapMS, 10_000)
	setDefault(&s.SceneThreshold, 0.3)
	setDefault(&s.WindowMS, 30_000)
	setDefault(&s.MaxFrames, 20_000)
	setDefault(&s.DedupDistance, 2)
	setDefault(&s.Width, 1280)
	setDefault(&s.Quality, 4)
	setDefault(&p.ChunkFrames, 64)
	setDefault(&p.GPUWait, 10*time.Minute)
	for _, stage := range []*Stage{&p.Describe, &p.Embed} {
		if len(stage.GPU) == 0 {
			stage.GPU = []string{"cpu"}
		}
	}
	return p
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Check refuses a profile that cannot be run; it wants a Normal one.
func (p Profile) Check() error {
	bad := func(reason string) error {
		return fault.New(fault.Input, "check profile", p.Name, reason)
	}
	s := p.Sampling
	switch {
	case p.Name == "":
		return bad("it has no name")
	case !slices.Contains([]Strategy{FixedRate, Keyframes, Scene, Segments}, s.Strategy):
		return bad("unknown strategy " + strconv.Quote(string(s.Strategy)) + ": want fps, keyframes, scene or segments")
	case !(s.FPS > 0 && s.FPS <= 1000):
		return bad("fps must be above 0 and at most 1000")
	case s.MaxGapMS < 0 || s.WindowMS <= 0 || s.OverlapMS < 0 || s.OverlapMS >= s.WindowMS:
		return bad("gap, window and overlap must be positive and the overlap shorter than the window")
	case !(s.SceneThreshold > 0 && s.SceneThreshold < 1):
		return bad("scene_threshold must lie between 0 and 1")
	case s.MaxFrames < 1 || s.Width < 16 || s.Width > 16384 || s.Quality < 2 || s.Quality > 31:
		return bad("max_frames, width or quality is out of range")
	case p.ChunkFrames < 1 || p.ChunkFrames > 1024:
		return bad("chunk_frames must be 1 to 1024")
	case p.Describe.Model == "" || p.Embed.Model == "":
		return bad("describe and embed need a model")
	}
	for _, class := range slices.Concat(p.Describe.GPU, p.Embed.GPU) {
		if !slices.Contains(GPUClasses(), class) {
			return bad("unknown GPU class " + strconv.Quote(class))
		}
	}
	return nil
}

// ExtractFingerprint determines the frames of a video.
func (p Profile) ExtractFingerprint(v ID) Fingerprint {
	return NewFingerprint("extract", extractorVersion, string(v), canonical(p.Sampling), strconv.Itoa(p.ChunkFrames))
}

// CaptionFingerprint determines the caption of a frame: the same frame in
// another video has the same one.
func (p Profile) CaptionFingerprint(f Frame) Fingerprint {
	return NewFingerprint("caption", p.Describe.Model, p.Describe.Revision, p.Describe.Prompt, f.SHA256)
}

// EmbedFingerprint determines the embedding of one text.
func (p Profile) EmbedFingerprint(text string) Fingerprint {
	return NewFingerprint("embedding", p.Embed.Model, p.Embed.Revision, strconv.Itoa(p.Embed.Dim), text)
}

// schemaVersion changes whenever documents get other fields or other ids.
const schemaVersion = "1"

// Generation determines the whole set of documents of a video.
func (p Profile) Generation(v ID) Fingerprint {
	return NewFingerprint("index", schemaVersion, p.Name, string(p.ExtractFingerprint(v)),
		p.Describe.Model, p.Describe.Revision, p.Describe.Prompt,
		p.Embed.Model, p.Embed.Revision, strconv.Itoa(p.Embed.Dim))
}

// DocumentID is unique for a frame within a generation of a tenant's profile.
func DocumentID(t tenant.ID, generation Fingerprint, f Frame) string {
	return string(t) + ":" + string(generation[:32]) + ":" + strconv.FormatInt(f.PTSMS, 10)
}

// DocumentText is what a document says of a frame, and what is embedded: the
// caption and, for a preview model, what extraction knows that the still alone
// does not show. That is kept out of the caption so that the same frame in
// another video needs no second call.
func (p Profile) DocumentText(f Frame, c Caption) string {
	if !p.Describe.Preview {
		return c.Text
	}
	motion := "still"
	switch {
	case f.Motion >= 0.10:
		motion = "fast motion"
	case f.Motion >= 0.02:
		motion = "motion"
	}
	return c.Text + " Shot " + strconv.Itoa(f.Shot+1) + ", " + motion + "."
}

// canonical is JSON: the field order of a struct is fixed.
func canonical(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic("video: sampling always marshals: " + err.Error())
	}
	return string(out)
}
