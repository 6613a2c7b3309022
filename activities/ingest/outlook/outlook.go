// Package outlook says what an ingest run would do with a video, from what earlier runs have
// stored about it and from its container. It writes nothing and asks no model.
package outlook

import (
	"context"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/sidecar"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Sources is as in package ingest.
type Sources interface {
	Version(ctx context.Context, t tenant.ID, uri string) (v video.FileVersion, name string, err error)
	Peek(ctx context.Context, t tenant.ID, uri string, v video.FileVersion) (file *os.File, whole bool, err error)
	sidecar.Sources
}

// Media is as in package ingest.
type Media interface {
	Probe(ctx context.Context, file *os.File) (video.Media, error)
}

const (
	// reads is how many stored answers are looked for at a time.
	reads = 16
	// smallVideo is read whole to know its content; see ingest.EstimateResult.Unread.
	smallVideo = 4 << 20
	// maxLookups bounds how many stored answers an estimate looks for. Those of further
	// frames count as missing.
	maxLookups = 50_000
)

// Estimator looks at videos for a dry run. Its lookups are shared by all of them.
type Estimator struct {
	Store    activities.Store
	Sources  Sources
	Media    Media
	Identify func(ctx context.Context, file io.ReadSeeker) (video.ID, int64, error)
	Tenant   tenant.ID
	Profile  video.Profile
	Force    bool

	lookups atomic.Int64 // made
}

// Outlook is what a run would do with a video.
type Outlook struct {
	Failure   error // why it would fail
	Unchanged bool
	Unprobed  bool // it is elsewhere, and only the whole of it tells what it is
	Unread    bool // its content is not known, so it counts as new

	Bytes      int64
	DurationMS int64
	Frames     int
	Calls      Calls
	Exact      bool // frames are those of a stored extraction, and all answers were looked for
}

// Calls count what models would be asked.
type Calls struct{ Describe, Embed, Transcribe int }

// Add adds those of another video.
func (c *Calls) Add(d Calls) {
	c.Describe += d.Describe
	c.Embed += d.Embed
	c.Transcribe += d.Transcribe
}

// Look says what would become of a video. Only what concerns the video is its failure.
func (e *Estimator) Look(ctx context.Context, uri string) (Outlook, error) {
	if len(uri) > video.MaxURI {
		return Outlook{Failure: video.ErrLongURI()}, nil
	}
	o, err := e.outlook(ctx, uri)
	if fault.ClassOf(err) == fault.Input {
		return Outlook{Failure: err}, nil
	}
	return o, err
}

func (e *Estimator) outlook(ctx context.Context, uri string) (Outlook, error) {
	version, _, err := e.Sources.Version(ctx, e.Tenant, uri)
	if err != nil {
		return Outlook{}, err
	}
	source, probed, err := e.source(ctx, uri, version)
	if err != nil || !probed {
		return Outlook{Unprobed: !probed}, err
	}
	p := e.Profile
	if _, err := sidecar.Find(ctx, e.Sources, e.Tenant, p, &source, uri); err != nil {
		return Outlook{}, err
	}
	p.Subtitles = source.Subtitles
	if err := p.CheckMedia(uri, source.Media); err != nil {
		return Outlook{}, err
	}
	o := Outlook{Bytes: version.Bytes, DurationMS: source.Media.DurationMS, Unread: source.Video == ""}
	if source.Video != "" {
		if o.Unchanged, err = e.published(ctx, p, source.Video); err != nil || o.Unchanged {
			return o, err
		}
		extracted, err := e.extracted(ctx, p, source.Video, &o)
		if err != nil || extracted {
			return o, err
		}
	}
	o.Frames = e.Profile.Sampling.EstimateFrames(source.Media)
	o.Calls = e.all(o.Frames)
	if p.Transcribe.Model != "" && p.Subtitles == "" && !p.Sampling.NoAudio && source.Media.AudioCodec != "" {
		o.Calls.Transcribe = int(max(1, (source.Media.DurationMS+video.AudioPieceMS-1)/video.AudioPieceMS))
	}
	return o, nil
}

// source is what is known of a video: of the content that an earlier run has read, or else of
// its container. Video is empty where the content is not known.
func (e *Estimator) source(ctx context.Context, uri string, version video.FileVersion) (source video.Source, probed bool, err error) {
	var seen video.Seen
	if err := activities.ReadJSON(ctx, e.Store, video.SeenKey(e.Tenant, uri), &seen); err != nil && !activities.Absent(err) {
		return source, false, err
	}
	if seen.Video != "" && version.Tag != "" && seen.FileVersion == version {
		err := activities.ReadJSON(ctx, e.Store, video.SourceKey(e.Tenant, seen.Video), &source)
		if !activities.Absent(err) {
			return source, err == nil, err
		}
	}
	file, whole, err := e.Sources.Peek(ctx, e.Tenant, uri, version)
	if err != nil {
		return source, false, err
	}
	defer file.Close()
	source.Media, err = e.Media.Probe(ctx, file)
	switch {
	case !whole && (fault.ClassOf(err) == fault.Input || err == nil && source.Media.DurationMS <= 0):
		return source, false, nil
	case err != nil:
		return source, false, err
	case whole && (version.Bytes <= smallVideo || seen.Video != "" && seen.Bytes == version.Bytes): // it may have been touched only
		if source.Video, _, err = e.Identify(ctx, file); err != nil {
			return source, false, fault.Disk("read video", uri, err)
		}
	}
	return source, true, nil
}

// published reports whether the store says that a content is published as the profile wants
// it. The index may say otherwise: see the workflow.
func (e *Estimator) published(ctx context.Context, p video.Profile, v video.ID) (bool, error) {
	if e.Force {
		return false, nil
	}
	var stored video.Publication
	err := activities.ReadJSON(ctx, e.Store, video.PublicationKey(e.Tenant, v, p.Name), &stored)
	if activities.Absent(err) {
		return false, nil
	}
	return stored.Generation.Generation == p.Generation(v), err
}

// extracted counts the frames and the missing answers of a content whose frames are stored;
// false = they are not.
func (e *Estimator) extracted(ctx context.Context, p video.Profile, v video.ID, o *Outlook) (bool, error) {
	prefix := video.FramesPrefix(e.Tenant, v, p.ExtractFingerprint(v))
	var x video.Extraction
	var missing Calls
	err := activities.ReadJSON(ctx, e.Store, video.ExtractionKey(prefix), &x)
	exact := true
	for i := 0; err == nil && i < x.Chunks; i++ {
		var chunk video.Chunk
		if err = activities.ReadJSON(ctx, e.Store, video.ChunkKey(prefix, i), &chunk); err != nil {
			break
		}
		var c Calls
		var all bool
		c, all, err = e.missing(ctx, chunk.Frames)
		missing.Add(c)
		exact = exact && all
	}
	for i := 0; err == nil && p.Transcribe.Model != "" && !p.HasSubtitles(x) && i < x.AudioPieces; i++ {
		var there bool
		if there, err = e.there(ctx, video.TranscriptKey(e.Tenant, p.TranscriptFingerprint(v, i))); !there {
			missing.Transcribe++
		}
	}
	if activities.Absent(err) {
		return false, nil
	}
	o.Frames, o.Calls, o.Exact = x.Frames, missing, exact
	return true, err
}

// all is what models are asked about frames of which no answer is stored.
func (e *Estimator) all(frames int) Calls {
	c := Calls{Embed: frames}
	if e.Profile.Describe.Model != "" {
		c.Describe = frames
	}
	return c
}

// missing counts the answers about frames that are not stored; exact = all were looked for.
func (e *Estimator) missing(ctx context.Context, frames []video.Frame) (c Calls, exact bool, err error) {
	if e.lookups.Add(2*int64(len(frames))) > maxLookups {
		return e.all(len(frames)), false, nil
	}
	var mu sync.Mutex
	group, ctx := panics.WithContext(ctx)
	group.SetLimit(reads)
	for _, f := range frames {
		group.Go(func() error {
			one, err := e.missingOf(ctx, f)
			mu.Lock()
			defer mu.Unlock()
			c.Add(one)
			return err
		})
	}
	err = group.Wait()
	return c, true, err
}

// missingOf counts the answers about one frame that are not stored. A frame without caption
// has a text to embed only later.
func (e *Estimator) missingOf(ctx context.Context, f video.Frame) (c Calls, err error) {
	p := e.Profile
	var caption video.Caption
	if p.Describe.Model != "" {
		err := activities.ReadJSON(ctx, e.Store, video.CaptionKey(e.Tenant, p.CaptionFingerprint(f)), &caption)
		if activities.Absent(err) {
			refused, err := e.there(ctx, video.RefusalKey(e.Tenant, p.CaptionFingerprint(f)))
			if err != nil || refused && p.Embed.Of == video.OfCaption {
				return c, err // a frame without a caption has nothing to embed
			}
			if !refused {
				c.Describe = 1
			}
		} else if err != nil {
			return c, err
		}
	}
	embedding := p.PictureFingerprint(f)
	if p.Embed.Of == video.OfCaption {
		embedding = p.EmbedFingerprint(p.DocumentText(f, caption))
	}
	there, err := e.there(ctx, video.EmbeddingKey(e.Tenant, embedding))
	if !there || p.Embed.Of == video.OfCaption && c.Describe > 0 {
		c.Embed = 1
	}
	return c, err
}

func (e *Estimator) there(ctx context.Context, key string) (bool, error) {
	_, err := e.Store.Stat(ctx, key)
	if activities.Absent(err) {
		return false, nil
	}
	return err == nil, err
}
