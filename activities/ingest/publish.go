package ingest

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/activities/ingest/stored"
	"github.com/cogniverse/cogflow/activities/ingest/texts"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/passage"
)

// IndexInput requests the indexing of described and embedded chunks.
type IndexInput struct {
	VideoRef
	Chunks []int `json:"chunks"`
}

// IndexChunks upserts the documents of chunks; they stay invisible until
// PublishVideo. Several chunks share a call so that a long video costs few events.
func (a *Activities) IndexChunks(ctx context.Context, in IndexInput) (ChunkResult, error) {
	start := time.Now()
	var source video.Source
	if err := activities.ReadJSON(ctx, a.Store, video.SourceKey(in.Tenant, in.Video), &source); err != nil {
		return ChunkResult{}, err
	}
	var out ChunkResult
	p, err := a.pinned(ctx, in.VideoRef)
	if err == nil {
		_, err = a.claimed(ctx, in.VideoRef, p)
	}
	if err == nil {
		err = a.indexesAs(ctx, in.VideoRef)
	}
	if err != nil {
		return out, err
	}
	for _, index := range in.Chunks {
		docs, err := a.documents(ctx, in.VideoRef, source, index)
		if err != nil {
			return out, err
		}
		if err := a.Index.Upsert(ctx, docs); err != nil {
			return out, err
		}
		out.Frames += len(docs)
	}
	out.BusyMS = time.Since(start).Milliseconds()
	return out, nil
}

// indexesAs hands tasks back if another build would make different documents, as the run is
// pinned to. If no such worker exists, this build makes its own: a search reads both, as it
// does those of different videos.
func (a *Activities) indexesAs(ctx context.Context, ref VideoRef) error {
	p, err := a.pinned(ctx, ref)
	if err != nil || p.Indexes() {
		return err
	}
	return a.others.HandBack(ctx, "index documents of", string(ref.Video), "document schema "+p.SchemaVersion())
}

func (a *Activities) documents(ctx context.Context, ref VideoRef, source video.Source, index int) ([]video.Document, error) {
	p, chunk, prefix, err := a.chunk(ctx, ChunkInput{VideoRef: ref, Chunk: index})
	if err != nil {
		return nil, err
	}
	if chunk, err = refusal.Kept(ctx, a.Store, p, prefix, chunk); err != nil {
		return nil, err
	}
	captions, err := a.captions(ctx, ref.Tenant, p, prefix, chunk)
	if err != nil {
		return nil, err
	}
	speech, err := a.chunkSpeech(ctx, ref, p, prefix, chunk)
	if err != nil {
		return nil, err
	}
	generation := p.Generation(ref.Video)
	docs := make([]video.Document, len(chunk.Frames))
	for i, f := range chunk.Frames {
		text := p.DocumentText(f, captions[i])
		fingerprint := p.EmbedFingerprint(text)
		if p.Embed.Of != video.OfCaption {
			fingerprint = p.PictureFingerprint(f)
		}
		vector, err := texts.Read(ctx, a.Store, ref.Tenant, fingerprint)
		if activities.Absent(err) && !p.Indexes() { // another text was embedded than this build would index
			err = activities.Elsewhere("index documents of", string(ref.Video), "document schema "+p.SchemaVersion())
		}
		if err != nil {
			return nil, err
		}
		docs[i] = video.Document{
			ID: video.DocumentID(ref.Tenant, generation, f), Tenant: ref.Tenant, Profile: p.Name,
			Video: ref.Video, Generation: generation, URI: source.URI, Name: source.Name,
			PTSMS: f.PTSMS, StartMS: f.StartMS, EndMS: f.EndMS,
			Caption: text, OnScreenText: captions[i].OnScreenText, Transcript: said(speech, f),
			FrameKey: video.FrameKey(prefix, f), Preview: captions[i].Preview, Multi: p.Embed.Multi, Embedding: vector,
		}
	}
	return docs, nil
}

// chunkSpeech reads the transcript of a chunk's time, if it has no documents of its own.
func (a *Activities) chunkSpeech(ctx context.Context, ref VideoRef, p video.Profile, prefix string, chunk video.Chunk) ([]passage.Said, error) {
	if p.Transcribe.Model == "" || p.Subtitles != "" || len(chunk.Frames) == 0 {
		return nil, nil
	}
	var x video.Extraction
	if err := activities.ReadJSON(ctx, a.Store, video.ExtractionKey(prefix), &x); err != nil {
		return nil, err
	}
	if p.SpeechApart(x) {
		return nil, nil
	}
	start, end := chunk.Frames[0].StartMS, int64(0)
	for _, f := range chunk.Frames {
		end = max(end, f.EndMS)
	}
	return a.speech(ctx, ref.Tenant, p, ref.Video, x, start, end)
}

// PublishInput requests that a generation becomes visible.
type PublishInput struct {
	VideoRef
	Generation video.Fingerprint `json:"generation"`
	Stages     []video.StageTime `json:"stages"`
}

// PublishResult counts documents.
type PublishResult struct {
	Documents int `json:"documents"`
	Removed   int `json:"removed"`            // of older generations
	Passages  int `json:"passages,omitempty"` // documents that are passages of speech
	// Unusable counts the frames without a caption, whichever run or build described them.
	Unusable []outcome.Group `json:"unusable,omitempty"`
}

// PublishVideo switches search to the new generation in one step, records it and releases
// the claim. Without the claim it changes nothing: a former attempt has published and
// released it, or another workflow has taken it over. The index refuses a publication if
// the claim is taken over at this moment, see Index.Fence.
func (a *Activities) PublishVideo(ctx context.Context, in PublishInput) (PublishResult, error) {
	p, err := a.pinned(ctx, in.VideoRef)
	if err != nil {
		return PublishResult{}, err
	}
	record := video.Publication{Recipe: in.Recipe, Stages: in.Stages}
	prefix := video.FramesPrefix(in.Tenant, in.Video, p.ExtractFingerprint(in.Video))
	if err := activities.ReadJSON(ctx, a.Store, video.ExtractionKey(prefix), &record.Extraction); err != nil {
		return PublishResult{}, err
	}
	if err := activities.ReadJSON(ctx, a.Store, video.SourceKey(in.Tenant, in.Video), &record.Source); err != nil {
		return PublishResult{}, err
	}
	lost, err := refusal.Lost(ctx, a.Store, p, prefix, in.Video, record.Extraction.Frames)
	if err != nil {
		return PublishResult{}, err
	}
	passages, err := stored.Passages(ctx, a.Store, p, prefix, record.Extraction)
	if err != nil {
		return PublishResult{}, err
	}
	out := PublishResult{Documents: record.Extraction.Frames - lost + len(passages), Passages: len(passages)}
	out.Unusable, err = refusal.Account(ctx, a.Store, p, prefix, record.Source.Name, record.Extraction.Frames)
	if err != nil {
		return PublishResult{}, err
	}
	record.Generation = video.Generation{
		Tenant: in.Tenant, Profile: p.Name, Video: in.Video, Generation: in.Generation,
		Documents: out.Documents, URI: record.Source.URI, Name: record.Source.Name,
		DurationMS: record.Extraction.DurationMS,
	}
	number, lostClaim := a.claimed(ctx, in.VideoRef, p)
	if lostClaim != nil {
		stored, err := a.published(ctx, in.VideoRef, p)
		if err != nil || stored.Generation != record.Generation {
			return PublishResult{}, cmp.Or(err, lostClaim)
		}
		return out, nil
	}
	published := record.Generation
	published.Claim = number
	out.Removed, err = a.Index.Publish(ctx, published)
	if errors.Is(err, video.ErrIncomplete) { // the index has lost stored documents
		if err = a.indexAgain(ctx, in.VideoRef, record); err == nil {
			out.Removed, err = a.Index.Publish(ctx, published)
		}
	}
	if err == nil {
		err = a.findable(ctx, record.Generation)
	}
	if err != nil {
		return PublishResult{}, err
	}
	if _, err := a.claimed(ctx, in.VideoRef, p); err != nil {
		return PublishResult{}, err // the index has kept the later claim's generation; its record is not overwritten
	}
	if err := activities.WriteManifest(ctx, a.Store, video.PublicationKey(in.Tenant, in.Video, p.Name), record); err != nil {
		return PublishResult{}, err
	}
	return out, a.claims().Release(ctx, video.ClaimKey(in.Tenant, in.Video, p.Name), in.Claim)
}

// indexAgain indexes all documents of a video once more. All inputs are in the store, so no
// model is called.
func (a *Activities) indexAgain(ctx context.Context, ref VideoRef, record video.Publication) error {
	if err := a.indexesAs(ctx, ref); err != nil {
		return err
	}
	for chunk := range record.Extraction.Chunks {
		docs, err := a.documents(ctx, ref, record.Source, chunk)
		if err != nil {
			return err
		}
		if err := a.Index.Upsert(ctx, docs); err != nil {
			return err
		}
	}
	_, err := a.indexSpeech(ctx, ref)
	return err
}

// findable checks that the index lists g as published, as a search will see it: a run must
// not succeed with documents that cannot be found.
func (a *Activities) findable(ctx context.Context, g video.Generation) error {
	listed, err := a.Index.Published(ctx, video.PublishedFilter{Tenant: g.Tenant, Profile: g.Profile, Video: g.Video, Limit: 1})
	if err != nil {
		return err
	}
	if len(listed) == 0 || listed[0].Generation != g.Generation || listed[0].Documents != g.Documents {
		return fault.New(fault.Transport, "verify published video", g.Name, "the index does not list it as it was published")
	}
	return nil
}

// DeleteInput names a video to delete; an empty profile means all profiles.
type DeleteInput struct {
	Tenant  tenant.ID `json:"tenant"`
	Video   video.ID  `json:"video"`
	Profile string    `json:"profile,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in DeleteInput) Owner() tenant.ID { return in.Tenant }

// DeleteResult counts what was removed.
type DeleteResult struct {
	Documents int `json:"documents"`
	Objects   int `json:"objects"`
}

// DeleteVideo removes the documents first, so that no search result lacks its frames, then
// the objects of the video.
func (a *Activities) DeleteVideo(ctx context.Context, in DeleteInput) (DeleteResult, error) {
	documents, err := a.Index.DeleteVideo(ctx, in.Tenant, in.Profile, in.Video)
	if err != nil {
		return DeleteResult{}, err
	}
	if in.Profile != "" {
		key := video.PublicationKey(in.Tenant, in.Video, in.Profile)
		_, err := a.Store.Stat(ctx, key)
		if err != nil {
			return DeleteResult{Documents: documents}, ignoreMissing(err)
		}
		return DeleteResult{Documents: documents, Objects: 1}, a.Store.Delete(ctx, key)
	}
	objects, err := activities.DeletePrefix(ctx, a.Store, video.Prefix(in.Tenant, in.Video))
	return DeleteResult{Documents: documents, Objects: objects}, err
}

func ignoreMissing(err error) error {
	if activities.Absent(err) {
		return nil
	}
	return err
}

// ListInput asks for a page of published videos.
type ListInput struct {
	Tenant  tenant.ID `json:"tenant"`
	Profile string    `json:"profile,omitempty"`
	Video   video.ID  `json:"video,omitempty"`
	Offset  int       `json:"offset,omitempty"`
	Limit   int       `json:"limit"`
}

// Owner is the tenant that the activity works for.
func (in ListInput) Owner() tenant.ID { return in.Tenant }

// ListResult is that page.
type ListResult struct {
	Videos []video.Generation `json:"videos"`
}

// ListVideos lists what is published.
func (a *Activities) ListVideos(ctx context.Context, in ListInput) (ListResult, error) {
	videos, err := a.Index.Published(ctx, video.PublishedFilter{
		Tenant: in.Tenant, Profile: in.Profile, Video: in.Video, Offset: in.Offset, Limit: in.Limit,
	})
	if videos == nil {
		videos = []video.Generation{}
	}
	return ListResult{Videos: videos}, err
}
