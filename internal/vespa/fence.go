package vespa

import (
	"context"
	"net/http"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// The number of the latest claim of a video is stored in a generation document that is
// never published, in the field for the number of documents. Vespa checks a condition only
// on the document that it writes. So, unlike in the embedded index, the claim is checked
// before each step of a publication, not in the same transaction.
const fenceName = "claim"

// Fence records the number of a claim, see Publish. It returns the highest recorded
// number.
func (x *Index) Fence(ctx context.Context, t tenant.ID, profile string, v video.ID, claim int64) (held int64, err error) {
	const op = "claim video"
	s, err := x.schemaOf(op, t, profile)
	if err != nil {
		return 0, err
	}
	if held, err = x.fence(ctx, s, v); err != nil || held >= claim {
		return held, err
	}
	body, err := marshalFields(generationFields{
		Tenant: string(t), Profile: profile, VideoID: string(v), Generation: fenceName, Documents: int(claim),
	})
	if err != nil {
		return 0, &fault.Error{Class: fault.Input, Op: op, Subject: string(v), Err: err}
	}
	put := newPut(s.Parent, s.parentID(v, fenceName), body)
	note := operation{op: op, method: http.MethodPost, id: put.ID, path: put.Path, body: put.Body, subject: string(v)}
	_, err = failures([]operation{note}, x.feeder.feed(ctx, []operation{note}))
	return claim, err
}

func (x *Index) fence(ctx context.Context, s *schema, v video.ID) (int64, error) {
	found, err := x.get(ctx, s.Parent, s.parentID(v, fenceName), "documents")
	number, _ := found["documents"].(float64)
	return int64(number), err
}

// checkFence refuses a publication if a later claim has replaced its own.
func (x *Index) checkFence(ctx context.Context, s *schema, g video.Generation) error {
	if g.Claim == 0 {
		return nil // of an older build, which has no claim numbers
	}
	held, err := x.fence(ctx, s, g.Video)
	if err != nil || held <= g.Claim {
		return err
	}
	return fault.New(fault.Input, opPublish, g.Name, "another workflow has claimed the video since; nothing is changed")
}
