// Package ingest holds the activities of video ingestion, search and deletion. It
// knows nothing of training or prompts.
package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/roles"
	"github.com/cogniverse/cogflow/activities/ingest/sidecar"
	"github.com/cogniverse/cogflow/activities/placing"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Activities holds what the ingestion activities work with. A worker sets only the
// fields that its pools need.
type Activities struct {
	Store       activities.Store
	Sources     Sources
	Media       Media
	Describer   Describer
	Embedder    Embedder
	Transcriber Transcriber
	Index       Index
	Ledger      activities.Ledger
	Broker      activities.Broker
	Runs        activities.Runs
	Placing     *placing.Rules
	Profiles    func(name string) (video.Profile, error) // "" = the configured active profile
	Pictured    []string                                 // names of the profiles that embed pictures
	Report      func(w io.Writer, r video.Report) error
	Thumb       func(jpeg []byte, width int) ([]byte, error)
	Version     string // of this build, for reports
	IndexName   string // what Index is, for reports; not secret

	// Unsandboxed says that this worker is configured to decode media without a sandbox;
	// reports show it.
	Unsandboxed bool
	Scratch     string // directory for temporary files

	others  activities.OtherBuilds
	recipes sync.Map // key of the recipe, which begins with its tenant → video.Profile; recipes never change
}

// VideoRef names a video within a pinned recipe; most activities work on one.
type VideoRef struct {
	Tenant tenant.ID         `json:"tenant"`
	Video  video.ID          `json:"video"`
	Recipe video.Fingerprint `json:"recipe"`
	Claim  int64             `json:"claim,omitempty"` // number of the claim of the run; 0 = none yet, or an earlier build's
	// Subtitles are those of the Source that the run began with.
	Subtitles video.Fingerprint `json:"subtitles,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in VideoRef) Owner() tenant.ID { return in.Tenant }

// ResolveInput asks for a profile by name.
type ResolveInput struct {
	Tenant  tenant.ID `json:"tenant"`
	Profile string    `json:"profile"`
	// Sampling is a strategy in place of the profile's; empty = the profile's.
	Sampling video.Strategy   `json:"sampling,omitempty"`
	Place    *placement.Facts `json:"place,omitempty"` // by which the rules place the run; nil = they do not
}

// Owner is the tenant that the activity works for.
func (in ResolveInput) Owner() tenant.ID { return in.Tenant }

// Recipe is a profile that a run is pinned to: the fingerprint under which the whole
// profile is stored, and the parts that a workflow decides by.
type Recipe struct {
	Fingerprint   video.Fingerprint `json:"fingerprint"`
	Profile       string            `json:"profile"`
	ChunkFrames   int               `json:"chunk_frames"`
	DescribeGPU   []string          `json:"describe_gpu"`
	EmbedGPU      []string          `json:"embed_gpu"`
	TranscribeGPU []string          `json:"transcribe_gpu,omitempty"`
	GPUWait       time.Duration     `json:"gpu_wait"`
	CostMicroUSD  int64             `json:"cost_micro_usd"` // of one frame: describe and embed
	Preview       bool              `json:"preview"`
	Describe      string            `json:"describe"` // model and revision, for people; empty = no captions
	Embed         string            `json:"embed"`
	Transcribe    string            `json:"transcribe,omitempty"` // empty = no transcript
	// Sampling is the strategy that the run asked for; a worker of an earlier build leaves it out.
	Sampling video.Strategy      `json:"sampling,omitempty"`
	Placed   *placement.Decision `json:"placed,omitempty"` // nil = there are no rules
}

// ResolveProfile pins a run to the profile as it is configured now, where the rules place it.
func (a *Activities) ResolveProfile(ctx context.Context, in ResolveInput) (Recipe, error) {
	placed, err := a.Placing.Decide(ctx, in.Place)
	if err != nil {
		return Recipe{}, err
	}
	d := placed.Chosen()
	p, err := a.Profiles(cmp.Or(d.Profile, in.Profile))
	if p = p.Sampled(in.Sampling); err == nil {
		err = p.Check()
	}
	if err != nil {
		return Recipe{}, err
	}
	if p, err = roles.Pinned(ctx, a.Store, in.Tenant, p); err != nil {
		return Recipe{}, err
	}
	whole, err := json.Marshal(p)
	if err != nil {
		return Recipe{}, err
	}
	fingerprint := video.NewFingerprint("recipe", string(whole))
	if err := activities.WriteJSON(ctx, a.Store, video.RecipeKey(in.Tenant, fingerprint), p); err != nil {
		return Recipe{}, err
	}
	return Recipe{
		Fingerprint: fingerprint, Profile: p.Name, ChunkFrames: p.ChunkFrames,
		DescribeGPU: placement.Or(d.Describe, p.Describe.GPU), EmbedGPU: placement.Or(d.Embed, p.Embed.GPU), GPUWait: p.GPUWait,
		CostMicroUSD: p.Describe.CostMicroUSD + p.Embed.CostMicroUSD,
		Preview:      p.Describe.Preview || p.Embed.Preview,
		Describe:     p.Describe.String(), Embed: p.Embed.String(),
		TranscribeGPU: placement.Or(d.Transcribe, p.Transcribe.GPU), Transcribe: p.Transcribe.String(),
		Sampling: in.Sampling, Placed: placed,
	}, nil
}

// recipe reads a pinned profile, once per process.
func (a *Activities) recipe(ctx context.Context, t tenant.ID, f video.Fingerprint) (video.Profile, error) {
	key := video.RecipeKey(t, f)
	if p, ok := a.recipes.Load(key); ok {
		return p.(video.Profile), nil
	}
	var p video.Profile
	if err := activities.ReadJSON(ctx, a.Store, key, &p); err != nil {
		return p, err
	}
	a.recipes.Store(key, p)
	return p, nil
}

// pinned reads the profile of a run, with the subtitles of its video.
func (a *Activities) pinned(ctx context.Context, ref VideoRef) (video.Profile, error) {
	p, err := a.recipe(ctx, ref.Tenant, ref.Recipe)
	p.Subtitles = ref.Subtitles
	return p, err
}

// InspectInput names a video to look at.
type InspectInput struct {
	Tenant tenant.ID `json:"tenant"`
	URI    string    `json:"uri"`
	// Recipe is that of the run; empty = an earlier build asks.
	Recipe video.Fingerprint `json:"recipe,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in InspectInput) Owner() tenant.ID { return in.Tenant }

// Inspect reads a video once to find its identity and container data.
func (a *Activities) Inspect(ctx context.Context, in InspectInput) (video.Source, error) {
	version, _, err := a.Sources.Version(ctx, in.Tenant, in.URI) // before the first byte is read: a change after it shows
	if err != nil {
		return video.Source{}, err
	}
	file, name, err := a.Sources.Open(ctx, in.Tenant, in.URI)
	if err != nil {
		return video.Source{}, err
	}
	defer file.Close()
	source := video.Source{URI: in.URI, Name: name}
	if source.Media, err = a.Media.Probe(ctx, file); err != nil {
		return video.Source{}, err
	}
	words, err := a.subtitles(ctx, in, file.Name(), &source)
	if err != nil {
		return video.Source{}, err
	}
	if source.Video, source.Bytes, err = identify(ctx, file); err != nil {
		return video.Source{}, fault.Disk("read video", name, err)
	}
	a.Sources.Keep(in.Tenant, in.URI, source.Video, file)
	if words != nil {
		if err := activities.WriteManifest(ctx, a.Store, video.SidecarKey(in.Tenant, source.Video, source.Subtitles), words); err != nil {
			return video.Source{}, err
		}
	}
	if err := activities.WriteJSON(ctx, a.Store, video.SourceKey(in.Tenant, source.Video), source); err != nil {
		return video.Source{}, err
	}
	seen := video.Seen{FileVersion: version, Video: source.Video}
	return source.ForHistory(), activities.WriteJSON(ctx, a.Store, video.SeenKey(in.Tenant, in.URI), seen)
}

// subtitles finds the subtitles of a source, and checks that the profile finds something to search in it.
func (a *Activities) subtitles(ctx context.Context, in InspectInput, path string, source *video.Source) (*video.Transcript, error) {
	if in.Recipe == "" {
		return nil, nil //nolint:nilnil // the run could not hand them to its steps
	}
	p, err := a.recipe(ctx, in.Tenant, in.Recipe)
	if err != nil {
		return nil, err
	}
	words, err := sidecar.Find(ctx, a.Sources, in.Tenant, p, source, in.URI)
	if p.Subtitles = source.Subtitles; err == nil {
		err = p.CheckMedia(path, source.Media)
	}
	return words, err
}

// identify hashes the whole file.
func identify(ctx context.Context, file io.ReadSeeker) (video.ID, int64, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	h, buf, size := sha256.New(), make([]byte, 1<<20), int64(0)
	for {
		n, err := file.Read(buf)
		h.Write(buf[:n])
		size += int64(n)
		if errors.Is(err, io.EOF) {
			return video.ID(hex.EncodeToString(h.Sum(nil))), size, nil
		}
		if err != nil {
			return "", size, err
		}
		if ctx.Err() != nil {
			return "", size, ctx.Err()
		}
	}
}
