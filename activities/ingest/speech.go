package ingest

import (
	"context"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/activities/ingest/stored"
	"github.com/cogniverse/cogflow/activities/ingest/texts"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/passage"
)

// EmbedSpeech cuts the transcript of a video into passages, embeds them, and stores those that
// have an embedding. Frames in the result counts passages.
func (a *Activities) EmbedSpeech(ctx context.Context, in ChunkInput) (ChunkResult, error) {
	start := time.Now()
	p, prefix, x, err := a.extraction(ctx, in.VideoRef)
	if err != nil {
		return ChunkResult{}, err
	}
	pieces, err := a.pieces(ctx, in.Tenant, p, in.Video, x, 0, x.AudioPieces-1)
	if err != nil {
		return ChunkResult{}, err
	}
	passages := passage.Cut(passage.Join(pieces))
	said := make([]string, len(passages))
	for i, s := range passages {
		said[i] = s.Text
	}
	e := a.embedding(in, p, len(said))
	activities.HeartbeatDetails(ctx, func() any { return progress{int64(e.Calls()), e.Stage.WaitsFor()} })
	err = e.Embed(ctx, said)
	out := ChunkResult{Calls: e.Calls(), CostMicroUSD: e.CostMicroUSD(), BusyMS: time.Since(start).Milliseconds()}
	if err != nil {
		return out, err
	}
	refused := refusal.List{Key: p.RefusedKey(prefix, video.OfPassages, 0)}
	passages = slices.DeleteFunc(passages, func(s video.Passage) bool {
		bad := e.Refused(s.Text)
		if bad != nil {
			_ = refused.Take("passage", video.Frame{PTSMS: s.StartMS}, bad) // it takes every refusal
		}
		return bad != nil
	})
	out.Frames = len(said)
	if out, err = a.finish(ctx, in, out, &refused); err != nil {
		return out, err
	}
	out.Frames = len(passages)
	return out, activities.WriteManifest(ctx, a.Store, p.PassagesKey(prefix), passages)
}

// IndexSpeech upserts the documents of a video's passages. They stay invisible until
// PublishVideo.
func (a *Activities) IndexSpeech(ctx context.Context, in VideoRef) (ChunkResult, error) {
	start := time.Now()
	p, err := a.pinned(ctx, in)
	if err == nil {
		_, err = a.claimed(ctx, in, p)
	}
	if err == nil {
		err = a.indexesAs(ctx, in)
	}
	if err != nil {
		return ChunkResult{}, err
	}
	n, err := a.indexSpeech(ctx, in)
	return ChunkResult{Frames: n, BusyMS: time.Since(start).Milliseconds()}, err
}

func (a *Activities) indexSpeech(ctx context.Context, ref VideoRef) (documents int, err error) {
	p, prefix, x, err := a.extraction(ctx, ref)
	if err != nil {
		return 0, err
	}
	passages, err := stored.Passages(ctx, a.Store, p, prefix, x)
	if err != nil || len(passages) == 0 {
		return 0, err
	}
	var source video.Source
	if err := activities.ReadJSON(ctx, a.Store, video.SourceKey(ref.Tenant, ref.Video), &source); err != nil {
		return 0, err
	}
	frames, err := stored.Frames(ctx, a.Store, prefix, x)
	if err != nil {
		return 0, err
	}
	const perCall = 256 // documents
	for some := range slices.Chunk(passages, perCall) {
		docs := make([]video.Document, len(some))
		for i, s := range some {
			if docs[i], err = a.speechDocument(ctx, ref, p, source, s); err != nil {
				return documents, err
			}
			if f := shown(frames, s.StartMS); f != nil {
				docs[i].FrameKey = video.FrameKey(prefix, *f)
			}
		}
		if err := a.Index.Upsert(ctx, docs); err != nil {
			return documents, err
		}
		documents += len(docs)
	}
	return documents, nil
}

func (a *Activities) speechDocument(ctx context.Context, ref VideoRef, p video.Profile, source video.Source, s video.Passage) (video.Document, error) {
	vector, err := texts.Read(ctx, a.Store, ref.Tenant, p.EmbedFingerprint(s.Text))
	generation, kind := p.Generation(ref.Video), video.SpeechDocument
	if source.Media.AudioOnly() {
		kind = video.AudioDocument
	}
	return video.Document{
		ID: video.PassageID(ref.Tenant, generation, s), Tenant: ref.Tenant, Profile: p.Name, Kind: kind,
		Video: ref.Video, Generation: generation, URI: source.URI, Name: source.Name,
		PTSMS: s.StartMS, StartMS: s.StartMS, EndMS: s.EndMS,
		Transcript: s.Text, Language: s.Language, Multi: p.Embed.Multi, Embedding: vector,
	}, err
}

// shown is the frame that is shown at a time: the last one before it. nil = the video has no
// frame then.
func shown(frames []video.Frame, atMS int64) *video.Frame {
	i, found := slices.BinarySearchFunc(frames, atMS, func(f video.Frame, at int64) int { return int(f.PTSMS - at) })
	if !found {
		i--
	}
	if i < 0 || atMS >= frames[i].EndMS {
		return nil
	}
	return &frames[i]
}

// extraction reads what is stored of the extraction of a video.
func (a *Activities) extraction(ctx context.Context, ref VideoRef) (p video.Profile, prefix string, x video.Extraction, err error) {
	if p, err = a.pinned(ctx, ref); err != nil {
		return p, "", x, err
	}
	prefix = video.FramesPrefix(ref.Tenant, ref.Video, p.ExtractFingerprint(ref.Video))
	return p, prefix, x, activities.ReadJSON(ctx, a.Store, video.ExtractionKey(prefix), &x)
}
