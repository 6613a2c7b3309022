package ingest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const (
	// smallVideo is read whole to know its content; see EstimateResult.Unread.
	smallVideo = 4 << 20
	// maxLookups bounds how many stored answers an estimate looks for. Those of further
	// frames count as missing.
	maxLookups = 50_000
)

// estimator looks at videos for a dry run. Its lookups are shared by all of them.
type estimator struct {
	a       *Activities
	tenant  tenant.ID
	profile video.Profile
	force   bool
	lookups atomic.Int64 // left
}

// outlook is what a run would do with a video.
type outlook struct {
	failure   error // why it would fail
	unchanged bool
	unprobed  bool // it is elsewhere, and only the whole of it tells what it is
	unread    bool // its content is not known, so it counts as new

	bytes      int64
	durationMS int64
	frames     int
	calls      calls
	exact      bool // frames are those of a stored extraction, and all answers were looked for
}

// calls count what models would be asked.
type calls struct{ describe, embed, transcribe int }

func (c *calls) add(d calls) {
	c.describe += d.describe
	c.embed += d.embed
	c.transcribe += d.transcribe
}

// look says what would become of a video. Only what concerns the video is its failure.
func (e *estimator) look(ctx context.Context, uri string) (outlook, error) {
	if len(uri) > video.MaxURI {
		return outlook{failure: ErrLongURI()}, nil
	}
	o, err := e.outlook(ctx, uri)
	if fault.ClassOf(err) == fault.Input {
		return outlook{failure: err}, nil
	}
	return o, err
}

func (e *estimator) outlook(ctx context.Context, uri string) (outlook, error) {
	version, _, err := e.a.Sources.Version(ctx, e.tenant, uri)
	if err != nil {
		return outlook{}, err
	}
	source, probed, err := e.source(ctx, uri, version)
	if err != nil || !probed {
		return outlook{unprobed: !probed}, err
	}
	o := outlook{bytes: version.Bytes, durationMS: source.Media.DurationMS, unread: source.Video == ""}
	if source.Video != "" {
		if o.unchanged, err = e.published(ctx, source.Video); err != nil || o.unchanged {
			return o, err
		}
		extracted, err := e.extracted(ctx, source.Video, &o)
		if err != nil || extracted {
			return o, err
		}
	}
	o.frames = e.profile.Sampling.EstimateFrames(source.Media)
	o.calls = e.all(o.frames)
	if p := e.profile; p.Transcribe.Model != "" && !p.Sampling.NoAudio && source.Media.AudioCodec != "" {
		o.calls.transcribe = int(max(1, (source.Media.DurationMS+video.AudioPieceMS-1)/video.AudioPieceMS))
	}
	return o, nil
}

// source is what is known of a video: of the content that an earlier run has read, or else of
// its container. Video is empty where the content is not known.
func (e *estimator) source(ctx context.Context, uri string, version video.FileVersion) (source video.Source, probed bool, err error) {
	var seen video.Seen
	if err := activities.ReadJSON(ctx, e.a.Store, video.SeenKey(e.tenant, uri), &seen); err != nil && !activities.Absent(err) {
		return source, false, err
	}
	if seen.Video != "" && version.Tag != "" && seen.FileVersion == version {
		err := activities.ReadJSON(ctx, e.a.Store, video.SourceKey(e.tenant, seen.Video), &source)
		if !activities.Absent(err) {
			return source, err == nil, err
		}
	}
	file, whole, err := e.a.Sources.Peek(ctx, e.tenant, uri, version)
	if err != nil {
		return source, false, err
	}
	defer file.Close()
	source.Media, err = e.a.Media.Probe(ctx, file)
	switch {
	case !whole && (fault.ClassOf(err) == fault.Input || err == nil && source.Media.DurationMS <= 0):
		return source, false, nil
	case err != nil:
		return source, false, err
	case whole && (version.Bytes <= smallVideo || seen.Video != "" && seen.Bytes == version.Bytes): // it may have been touched only
		if source.Video, _, err = identify(ctx, file); err != nil {
			return source, false, fault.Disk("read video", uri, err)
		}
	}
	return source, true, nil
}

// published reports whether the store says that a content is published as the profile wants
// it. The index may say otherwise: see the workflow.
func (e *estimator) published(ctx context.Context, v video.ID) (bool, error) {
	if e.force {
		return false, nil
	}
	var stored video.Publication
	err := activities.ReadJSON(ctx, e.a.Store, video.PublicationKey(e.tenant, v, e.profile.Name), &stored)
	if activities.Absent(err) {
		return false, nil
	}
	return stored.Generation.Generation == e.profile.Generation(v), err
}

// extracted counts the frames and the missing answers of a content whose frames are stored;
// false = they are not.
func (e *estimator) extracted(ctx context.Context, v video.ID, o *outlook) (bool, error) {
	prefix := video.FramesPrefix(e.tenant, v, e.profile.ExtractFingerprint(v))
	var x video.Extraction
	var missing calls
	err := activities.ReadJSON(ctx, e.a.Store, video.ExtractionKey(prefix), &x)
	exact := true
	for i := 0; err == nil && i < x.Chunks; i++ {
		var chunk video.Chunk
		if err = activities.ReadJSON(ctx, e.a.Store, video.ChunkKey(prefix, i), &chunk); err != nil {
			break
		}
		var c calls
		var all bool
		c, all, err = e.missing(ctx, chunk.Frames)
		missing.add(c)
		exact = exact && all
	}
	for i := 0; err == nil && e.profile.Transcribe.Model != "" && i < x.AudioPieces; i++ {
		var there bool
		if there, err = e.there(ctx, video.TranscriptKey(e.tenant, e.profile.TranscriptFingerprint(v, i))); !there {
			missing.transcribe++
		}
	}
	if activities.Absent(err) {
		return false, nil
	}
	o.frames, o.calls, o.exact = x.Frames, missing, exact
	return true, err
}

// all is what models are asked about frames of which no answer is stored.
func (e *estimator) all(frames int) calls {
	c := calls{embed: frames}
	if e.profile.Describe.Model != "" {
		c.describe = frames
	}
	return c
}

// missing counts the answers about frames that are not stored; exact = all were looked for.
func (e *estimator) missing(ctx context.Context, frames []video.Frame) (c calls, exact bool, err error) {
	if e.lookups.Add(-2*int64(len(frames))) < 0 {
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
			c.add(one)
			return err
		})
	}
	err = group.Wait()
	return c, true, err
}

// missingOf counts the answers about one frame that are not stored. A frame without caption
// has a text to embed only later.
func (e *estimator) missingOf(ctx context.Context, f video.Frame) (c calls, err error) {
	p := e.profile
	var caption video.Caption
	if p.Describe.Model != "" {
		err := activities.ReadJSON(ctx, e.a.Store, video.CaptionKey(e.tenant, p.CaptionFingerprint(f)), &caption)
		if activities.Absent(err) {
			c.describe = 1
		} else if err != nil {
			return c, err
		}
	}
	embedding := p.PictureFingerprint(f)
	if p.Embed.Of == video.OfCaption {
		embedding = p.EmbedFingerprint(p.DocumentText(f, caption))
	}
	there, err := e.there(ctx, video.EmbeddingKey(e.tenant, embedding))
	if !there || p.Embed.Of == video.OfCaption && c.describe > 0 {
		c.embed = 1
	}
	return c, err
}

func (e *estimator) there(ctx context.Context, key string) (bool, error) {
	_, err := e.a.Store.Stat(ctx, key)
	if activities.Absent(err) {
		return false, nil
	}
	return err == nil, err
}
