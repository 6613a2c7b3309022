package video

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/tenant"
)

// Strategy says which frames of a video are sampled.
type Strategy string

// The strategies.
const (
	FixedRate Strategy = "fps"       // one frame each 1/fps seconds
	Keyframes Strategy = "keyframes" // keyframes of the encoder, with a maximum gap
	Scene     Strategy = "scene"     // the first frame of each shot, with a maximum gap
	Segments  Strategy = "segments"  // the middle frame of each time window
	Shots     Strategy = "shots"     // the best stills of each shot, long shots in parts
)

// Sampling is how frames are extracted. Zero values take the defaults of Normal. The
// tags are the reference; see config.Schema.
type Sampling struct {
	Strategy       Strategy `json:"strategy" jsonschema:"fps: a fixed rate; keyframes: the encoder's, with a maximum gap; scene: the first frame of each shot; segments: stills of time windows; shots: the best stills of each shot"`
	FPS            float64  `json:"fps,omitempty" jsonschema:"fps: frames per second (default 1); shots: pictures per second that are compared (default 5)"`
	MaxGapMS       int64    `json:"max_gap_ms,omitempty" jsonschema:"keyframes, scene: longest time without a frame, in milliseconds (default 10000)"`
	SceneThreshold float64  `json:"scene_threshold,omitempty" jsonschema:"scene: change between shots, 0 to 1 (default 0.3)"`
	WindowMS       int64    `json:"window_ms,omitempty" jsonschema:"segments: length of a window in milliseconds; shots: longest part of a shot (default 30000)"`
	OverlapMS      int64    `json:"overlap_ms,omitempty" jsonschema:"segments: overlap of windows in milliseconds (default 0)"`
	Stills         int      `json:"stills,omitempty" jsonschema:"segments: evenly spaced stills per window (default the middle frame only); shots: best stills per shot or part, at most (default 1); for models that look at several pictures, see of"`
	MaxFrames      int      `json:"max_frames,omitempty" jsonschema:"maximum number of frames; a cut is reported (default 20000)"`
	DedupDistance  int      `json:"dedup_distance,omitempty" jsonschema:"frames within this dHash distance of the last kept one are dropped; -1 keeps all (default 2)"`
	Width          int      `json:"width,omitempty" jsonschema:"maximum frame width in pixels; frames are never enlarged (default 1280)"`
	Quality        int      `json:"quality,omitempty" jsonschema:"MJPEG quantizer, 2 (best) to 31 (default 4)"`
	NoAudio        bool     `json:"no_audio,omitempty" jsonschema:"leave the sound track and subtitles out"`
	NoSubtitles    bool     `json:"no_subtitles,omitempty" jsonschema:"take no subtitles, neither those in the container nor a file beside the video; the sound is transcribed"`
	VideoTrack     int      `json:"video_track,omitempty" jsonschema:"number of the video track, counted from 1 among the video tracks (default the one that the container marks as default, else the first)"`
	AudioTrack     int      `json:"audio_track,omitempty" jsonschema:"number of the sound track, counted from 1 among the sound tracks (default as for video_track)"`
	AudioLanguage  string   `json:"audio_language,omitempty" jsonschema:"language of the sound track, such as de or ger; of several tracks, the default one"`
}

// Of is the input of an embedding model or a describer.
type Of string

// The inputs of embedding models. A describer without one gets the frame's picture.
const (
	OfCaption Of = ""        // the text of a document; the default
	OfFrame   Of = "frame"   // the frame's picture
	OfSegment Of = "segment" // the stills of a segment or shot, in order of time
)

// Keep is the stored precision of an embedding.
type Keep string

// The precisions. The bits of an embedding (value > 0) are the same in each of them.
const (
	KeepFloat    Keep = ""         // 32 bits; the default
	KeepBFloat16 Keep = "bfloat16" // the upper 16, rounded to nearest even
	KeepBits     Keep = "bits"     // the sign only
)

// Stage is one model stage of a profile: which model, its prompt and settings, and where it
// may run. An empty model disables the stage. Zero fields take the defaults of the adapter.
type Stage struct {
	Model        string   `json:"model"`
	Revision     string   `json:"revision,omitempty"`
	Prompt       string   `json:"prompt,omitempty"`         // describe
	Structured   bool     `json:"structured,omitempty"`     // describe: ask for JSON with caption, on-screen text, objects and actions
	MaxTokens    int      `json:"max_tokens,omitempty"`     // describe: longest answer
	Temperature  float64  `json:"temperature,omitempty"`    // describe
	Omit         []string `json:"omit,omitempty"`           // describe: names of parameters that are not sent, sorted
	MaxPixels    int      `json:"max_pixels,omitempty"`     // describe, embed: pictures are scaled down to this many pixels
	Language     string   `json:"language,omitempty"`       // transcribe: ISO 639-1; empty = the model detects it
	Of           Of       `json:"of,omitempty"`             // embed, describe
	Multi        bool     `json:"multi,omitempty"`          // embed: one vector per patch or token, not one in total
	Dim          int      `json:"dim,omitempty"`            // embed: values per vector
	Keep         Keep     `json:"keep,omitempty"`           // embed
	Roles        *Roles   `json:"roles,omitempty"`          // embed: nil = by the model's name; in a pinned recipe none
	Preview      bool     `json:"preview,omitempty"`        // a built-in preview model
	GPU          []string `json:"gpu,omitempty"`            // classes in order of preference, default cpu
	CostMicroUSD int64    `json:"cost_micro_usd,omitempty"` // price of one call, for estimates and budgets
	Unpriced     bool     `json:"unpriced,omitempty"`       // the cost of a call is unknown: none is made under a hard limit
}

// String names the model and its revision.
func (s Stage) String() string { return strings.TrimSpace(s.Model + " " + s.Revision) }

// Profile is a named recipe for ingestion. A run pins all of it at its start, so that
// neither a changed configuration nor another build mixes within one generation; see
// Pinned.
type Profile struct {
	Name        string        `json:"name"`
	Sampling    Sampling      `json:"sampling"`
	ChunkFrames int           `json:"chunk_frames"` // frames per chunk, default 64
	Transcribe  Stage         `json:"transcribe,omitzero"`
	Describe    Stage         `json:"describe"`
	Embed       Stage         `json:"embed"`
	GPUWait     time.Duration `json:"gpu_wait,omitempty"` // how long to wait for a class before the next, default 10 min

	// Only of a pinned recipe: the versions that the run was begun with. Empty means those
	// of the builds that did not pin them.
	Extractor string `json:"extractor,omitempty"`
	Schema    string `json:"schema,omitempty"`
	// WholeCaptions: a text that max_tokens cut is not a caption. Recipes of earlier builds use
	// such texts.
	WholeCaptions bool `json:"whole_captions,omitempty"`

	// Subtitles is only of the run of one video, which hands it to each step: see Source.
	Subtitles Fingerprint `json:"-"`
}

// LocalPreview is the profile of the embedded defaults: simple heuristics in Go, labelled
// `preview`, so that everything runs without a model or a key.
func LocalPreview() Profile {
	p := Profile{
		Name:     "local_preview",
		Sampling: Sampling{Strategy: FixedRate, FPS: 1},
		Describe: Stage{Model: "cogflow/preview-describer", Revision: "1", Preview: true},
		Embed:    Stage{Model: "cogflow/preview-embedder", Revision: "1", Dim: 256, Preview: true},
	}
	return p.Normal()
}

// Strategies are all strategies.
func Strategies() []Strategy { return []Strategy{FixedRate, Keyframes, Scene, Segments, Shots} }

// Sampled returns p with another strategy; an empty one changes nothing.
func (p Profile) Sampled(s Strategy) Profile {
	if s != "" {
		p.Sampling.Strategy = s
	}
	return p
}

// Normal returns p with every default filled in.
func (p Profile) Normal() Profile {
	s := &p.Sampling
	setDefault(&s.Strategy, FixedRate)
	if s.Strategy == Shots {
		setDefault(&s.FPS, 5)
	}
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
	for _, stage := range []*Stage{&p.Transcribe, &p.Describe, &p.Embed} {
		if len(stage.GPU) == 0 && stage.Model != "" {
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

// ExtractFingerprint determines the frames of a video.
func (p Profile) ExtractFingerprint(v ID) Fingerprint {
	return NewFingerprint("extract", p.ExtractorVersion(), string(v), canonical(p.Sampling), strconv.Itoa(p.ChunkFrames))
}

// CaptionFingerprint determines the caption of a frame or, if they are described, of the stills
// of its segment or shot. The same pictures in another video have the same fingerprint.
func (p Profile) CaptionFingerprint(f Frame) Fingerprint {
	parts := p.Describe.captionParts()
	for _, s := range f.Pictures(p.Describe.Of) {
		parts = append(parts, s.SHA256)
	}
	return NewFingerprint("caption", parts...)
}

// DescribePictures is how many pictures a call of the describer shows, at most.
func (p Profile) DescribePictures() int {
	if p.Describe.Of == OfSegment {
		return max(p.Sampling.Stills, 1)
	}
	return 1
}

// EmbedFingerprint determines the embedding of one text.
func (p Profile) EmbedFingerprint(text string) Fingerprint {
	parts := append(p.Embed.embeddingParts(), p.Embed.roleParts(false)...)
	return NewFingerprint("embedding", append(parts, text)...)
}

// QueryFingerprint determines the embedding of a search query: models may treat it
// differently from a document with the same words, and it is kept in full precision.
func (p Profile) QueryFingerprint(text string) Fingerprint {
	parts := append(p.Embed.embeddingParts(), p.Embed.roleParts(true)...)
	return NewFingerprint("query", append(parts, text)...)
}

// PictureFingerprint determines the embedding of a frame's picture or, for models of clips,
// of the stills of a segment or shot.
func (p Profile) PictureFingerprint(f Frame) Fingerprint {
	parts := append(p.Embed.embeddingParts(), string(p.Embed.Of))
	for _, s := range f.Pictures(p.Embed.Of) {
		parts = append(parts, s.SHA256)
	}
	return NewFingerprint("embedding", parts...)
}

// TranscriptFingerprint determines the transcript of one piece of a video's sound.
func (p Profile) TranscriptFingerprint(v ID, piece int) Fingerprint {
	return NewFingerprint("transcript", append(p.Transcribe.transcriptParts(), string(p.ExtractFingerprint(v)), strconv.Itoa(piece))...)
}

// transcriptParts lists what determines a transcript, besides the sound.
func (s Stage) transcriptParts() []string { return []string{s.Model, s.Revision, s.Language} }

// speechParts lists what determines the passages of a video, besides the sound and the embedder.
func (p Profile) speechParts() []string {
	parts := p.Transcribe.transcriptParts()
	if p.Subtitles != "" {
		parts = append(parts, string(p.Subtitles))
	}
	return parts
}

// Generation determines the whole set of documents of a video.
func (p Profile) Generation(v ID) Fingerprint {
	parts := []string{p.SchemaVersion(), p.Name, string(p.ExtractFingerprint(v))}
	parts = append(append(parts, p.Describe.captionParts()...), p.Embed.embeddingParts()...)
	parts = append(parts, p.Embed.roleParts(false)...)
	if p.Embed.Of != OfCaption {
		parts = append(parts, string(p.Embed.Of))
	}
	if p.Transcribe.Model != "" {
		parts = append(parts, p.Transcribe.Model, p.Transcribe.Revision, p.Transcribe.Language)
	}
	if p.Subtitles != "" {
		parts = append(parts, "subtitles", string(p.Subtitles))
	}
	return NewFingerprint("index", parts...)
}

// captionParts lists what determines a describer's answer. Fields that most profiles omit
// are not included when empty, so that they could be added later.
func (s Stage) captionParts() []string {
	parts := []string{s.Model, s.Revision, s.Prompt}
	if s.Of != OfSegment {
		s.Of = "" // the frame, also as OfFrame
	}
	if s.Structured || s.MaxTokens != 0 || s.Temperature != 0 || s.MaxPixels != 0 || len(s.Omit) > 0 || s.Of != "" {
		parts = append(parts, canonical(Stage{
			Structured: s.Structured, MaxTokens: s.MaxTokens, Temperature: s.Temperature, MaxPixels: s.MaxPixels, Omit: s.Omit, Of: s.Of,
		}))
	}
	return parts
}

// embeddingParts lists what determines the vectors of an embedder.
func (s Stage) embeddingParts() []string {
	parts := []string{s.Model, s.Revision, strconv.Itoa(s.Dim)}
	if s.Multi || s.Keep != KeepFloat || s.MaxPixels != 0 {
		parts = append(parts, canonical(Stage{Multi: s.Multi, Keep: s.Keep, MaxPixels: s.MaxPixels}))
	}
	return parts
}

// DocumentID is unique for a frame within a generation of a tenant's profile.
func DocumentID(t tenant.ID, generation Fingerprint, f Frame) string {
	return string(t) + ":" + string(generation[:32]) + ":" + strconv.FormatInt(f.PTSMS, 10)
}

// PassageID is unique for a passage of speech within a generation of a tenant's profile.
func PassageID(t tenant.ID, generation Fingerprint, s Passage) string {
	return string(t) + ":" + string(generation[:32]) + ":speech-" + strconv.FormatInt(s.StartMS, 10)
}

// DocumentText is the text of a frame's document: the caption and, for a preview model,
// what extraction knows that the still alone does not show. That is kept out of the caption
// so that the same frame in another video needs no second call.
func (p Profile) DocumentText(f Frame, c Caption) string {
	if !p.Describe.Preview {
		return c.words()
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
