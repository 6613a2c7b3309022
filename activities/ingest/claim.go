package ingest

import (
	"context"
	"errors"
	"path"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

func (a *Activities) claims() activities.Claims {
	return activities.Claims{Store: a.Store, Runs: a.Runs, What: "video"}
}

// ClaimInput requests the right to publish a video in the recipe's profile.
type ClaimInput struct {
	VideoRef
	Media video.Media `json:"media"`
	Force bool        `json:"force,omitempty"`

	// FailWithoutRoom returns the fault of a full index or store to the workflow, which
	// shows it; otherwise the server retries it silently. The server always retries a
	// claim that another workflow holds.
	FailWithoutRoom bool `json:"tell_room,omitempty"`
}

// ClaimResult says what work there is.
type ClaimResult struct {
	Generation video.Fingerprint `json:"generation"`
	Unchanged  bool              `json:"unchanged,omitempty"` // published already; nothing was claimed
	Documents  int               `json:"documents,omitempty"` // of the published generation
	Frames     int               `json:"frames,omitempty"`
	Expected   int               `json:"expected"` // maximum of frames, estimated
	Claim      int64             `json:"claim,omitempty"`
}

// Claim makes sure that only one workflow at a time ingests a video into a profile,
// whatever ids callers chose. It takes over a claim of a workflow that no longer runs.
func (a *Activities) Claim(ctx context.Context, in ClaimInput) (ClaimResult, error) {
	out, err := a.claim(ctx, in)
	if _, held := errors.AsType[*activities.HeldError](err); err != nil && in.FailWithoutRoom && !held {
		err = activities.NoCapacityRetry(err)
	}
	return out, err
}

func (a *Activities) claim(ctx context.Context, in ClaimInput) (ClaimResult, error) {
	p, err := a.pinned(ctx, in.VideoRef)
	if err != nil {
		return ClaimResult{}, err
	}
	out := ClaimResult{Generation: p.Generation(in.Video), Expected: p.Sampling.EstimateFrames(in.Media)}
	if !in.Force {
		published, err := a.published(ctx, in.VideoRef, p)
		if err != nil {
			return ClaimResult{}, err
		}
		if published.Generation.Generation == out.Generation {
			out.Unchanged = true
			out.Documents = published.Generation.Documents
			out.Frames = published.Extraction.Frames
			return out, nil
		}
	}
	out.Claim, err = a.fencedClaim(ctx, in.VideoRef, p)
	return out, err
}

// fencedClaim claims a video and makes the index refuse late requests of earlier holders.
// An activity outlives its workflow when its worker was disconnected, so it may act on an
// outdated claim. A claim without an earlier holder needs no fence: it asks the index, but
// writes nothing, so that a full index blocks only where documents are written, which the
// run reports.
func (a *Activities) fencedClaim(ctx context.Context, ref VideoRef, p video.Profile) (number int64, err error) {
	key := video.ClaimKey(ref.Tenant, ref.Video, p.Name)
	claim, err := a.claims().Take(ctx, key)
	for err == nil {
		number := claim.Number
		if number == 1 {
			number = 0
		}
		var held int64
		if held, err = a.Index.Fence(ctx, ref.Tenant, p.Name, ref.Video, number); err == nil && held <= claim.Number {
			return claim.Number, nil
		}
		if err == nil { // the claim was released since, and its numbers restarted
			claim, err = a.claims().Renumber(ctx, key, claim, held+1)
		}
	}
	return 0, err
}

// claimed returns the number of the claim that an activity holds.
func (a *Activities) claimed(ctx context.Context, ref VideoRef, p video.Profile) (number int64, err error) {
	key := video.ClaimKey(ref.Tenant, ref.Video, p.Name)
	holder, mine, err := a.claims().Holds(ctx, key, ref.Claim)
	if err == nil && !mine {
		err = a.claims().Lost(key, holder)
	}
	return holder.Number, err
}

// published returns what both the store and the index list as published. They differ when
// one of them was deleted, and then the work must be done again.
func (a *Activities) published(ctx context.Context, ref VideoRef, p video.Profile) (video.Publication, error) {
	var stored video.Publication
	err := activities.ReadJSON(ctx, a.Store, video.PublicationKey(ref.Tenant, ref.Video, p.Name), &stored)
	if activities.Absent(err) {
		return video.Publication{}, nil
	}
	if err != nil {
		return video.Publication{}, err
	}
	indexed, err := a.Index.Published(ctx, video.PublishedFilter{
		Tenant: ref.Tenant, Profile: p.Name, Video: ref.Video, Limit: 1,
	})
	if err != nil {
		return video.Publication{}, err
	}
	if len(indexed) != 1 || indexed[0].Generation != stored.Generation.Generation ||
		indexed[0].Documents != stored.Generation.Documents {
		return video.Publication{}, nil
	}
	return stored, nil
}

// Abandon leaves nothing visible of a run that failed or was cancelled: it removes its
// documents and a partial extraction, and releases the claim. Captions and embeddings stay:
// they are complete and paid for.
//
// Without the claim it does nothing: a former attempt has released it, and another workflow
// may be at work.
func (a *Activities) Abandon(ctx context.Context, in VideoRef) error {
	p, err := a.pinned(ctx, in)
	if err != nil {
		return err
	}
	key := video.ClaimKey(in.Tenant, in.Video, p.Name)
	if _, mine, err := a.claims().Holds(ctx, key, in.Claim); !mine {
		return err
	}
	if err := a.dropHalfExtraction(ctx, in, p); err != nil {
		return err
	}
	if _, mine, err := a.claims().Holds(ctx, key, in.Claim); !mine {
		return err // release may have taken long
	}
	if _, err := a.Index.Discard(ctx, in.Tenant, p.Name, in.Video, p.Generation(in.Video)); err != nil {
		return err
	}
	return a.claims().Release(ctx, key, in.Claim)
}

// dropHalfExtraction deletes frames without a manifest, unless the claim of another profile
// is held: it may be extracting the same frames now.
func (a *Activities) dropHalfExtraction(ctx context.Context, ref VideoRef, p video.Profile) error {
	prefix := video.FramesPrefix(ref.Tenant, ref.Video, p.ExtractFingerprint(ref.Video))
	if _, err := a.Store.Stat(ctx, video.ExtractionKey(prefix)); !activities.Absent(err) {
		return err
	}
	mine, others := video.ClaimKey(ref.Tenant, ref.Video, p.Name), false
	err := a.Store.List(ctx, path.Dir(mine)+"/", func(o object.Info) error {
		if others || o.Key == mine {
			return nil
		}
		released, err := a.claims().Released(ctx, o.Key)
		others = !released
		return err
	})
	if err != nil || others {
		return err
	}
	_, err = activities.DeletePrefix(ctx, a.Store, prefix)
	return err
}
