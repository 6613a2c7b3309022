package vespa

import (
	"context"
	"net/http"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// page is how many documents are removed at a time.
const page = 1000

// Publish makes the documents of g visible by the put of their parent. Then it removes
// the parents of the video's other generations, which hides these generations, and
// finally their documents. After a crash in between, the next call completes the work;
// while two generations are visible, Search drops the older one.
func (x *Index) Publish(ctx context.Context, g video.Generation) (removed int, err error) {
	if g.Tenant == "" || g.Profile == "" || g.Video == "" || g.Generation == "" {
		return 0, fault.New(fault.Input, opPublish, g.Name, "a generation needs a tenant, profile, video and fingerprint")
	}
	s, err := x.schemaOf(opPublish, g.Tenant, g.Profile)
	if err != nil {
		return 0, err
	}
	mine := selection{"video_id contains @video and generation contains @generation", string(g.Video), string(g.Generation)}
	documents, _, err := x.ids(ctx, opPublish, s, mine, 0)
	if err != nil {
		return 0, err
	}
	if documents != g.Documents {
		return 0, &fault.Error{
			Class: fault.Input, Op: opPublish, Subject: g.Name, Err: video.ErrIncomplete, Reason: "the index holds " + strconv.Itoa(documents) +
				" documents of this generation, not the " + strconv.Itoa(g.Documents) + " expected ones; ingest the video again",
		}
	}
	rows, err := x.generations(ctx, opPublish, g.Tenant, video.PublishedFilter{Profile: g.Profile, Video: g.Video, Limit: page})
	if err != nil {
		return 0, err
	}
	// Checked after the list of removals was read, so that the list has no document of a later claim.
	if err := x.checkFence(ctx, s, g); err != nil {
		return 0, err
	}
	put, err := EncodeGeneration(g, x.published(rows, g))
	if err != nil {
		return 0, err
	}
	show := operation{op: opPublish, method: http.MethodPost, id: put.ID, path: put.Path, body: put.Body, subject: g.Name}
	if _, err := failures([]operation{show}, x.feeder.feed(ctx, []operation{show})); err != nil {
		return 0, err
	}
	if err := x.showLate(ctx, s, mine); err != nil {
		return 0, err
	}
	var hide []operation
	for _, row := range rows {
		if row.Generation != string(g.Generation) {
			hide = append(hide, remove(opPublish, s.Parent, s.parentID(g.Video, video.Fingerprint(row.Generation))))
		}
	}
	if _, err := failures(hide, x.feeder.feed(ctx, hide)); err != nil {
		return 0, err
	}
	if err := x.checkFence(ctx, s, g); err != nil {
		return 0, err
	}
	return x.removeAll(ctx, opPublish, s,
		selection{"video_id contains @video and !(generation contains @generation)", string(g.Video), string(g.Generation)})
}

// published returns the time of the first publication of g: the stored time if no other
// generation is newer, otherwise now, and later than all others.
func (x *Index) published(rows []generationFields, g video.Generation) int64 {
	var mine, others int64
	for _, row := range rows {
		if row.Generation == string(g.Generation) {
			mine = row.Created
		} else {
			others = max(others, row.Created)
		}
	}
	if mine > others {
		return mine
	}
	return max(x.now().UnixMilli(), others+1)
}

// showLate makes the documents visible that were added after the generation's last
// publication.
func (x *Index) showLate(ctx context.Context, s *schema, mine selection) error {
	mine.where += " and late = 1"
	return x.each(ctx, opPublish, s, mine, func(id string) operation {
		return operation{
			op: opPublish, method: http.MethodPut, id: documentID(s.Name, id), path: documentPath(s.Name, id),
			body: []byte(`{"fields":{"late":{"assign":0}}}`), subject: id,
		}
	}, nil)
}

// Discard removes the documents of a generation that are not visible.
func (x *Index) Discard(
	ctx context.Context, t tenant.ID, profile string, v video.ID, g video.Fingerprint,
) (removed int, err error) {
	const op = "discard documents"
	s := x.layout.of(t, profile)
	if s == nil {
		return 0, nil // no document can have been stored
	}
	parent, err := x.get(ctx, s.Parent, s.parentID(v, g), "published")
	if err != nil {
		return 0, err
	}
	what := selection{"video_id contains @video and generation contains @generation", string(v), string(g)}
	if parent != nil && parent["published"] == float64(1) {
		what.where += " and late = 1"
	}
	return x.removeAll(ctx, op, s, what)
}

// DeleteVideo removes every generation of a video, published or not, from one
// profile or, if profile is empty, from all profiles of the tenant.
func (x *Index) DeleteVideo(ctx context.Context, t tenant.ID, profile string, v video.ID) (removed int, err error) {
	const op = "delete video"
	for _, s := range x.layout.schemas {
		if s.Tenant != t || profile != "" && s.Profile != profile {
			continue
		}
		rows, err := x.generations(ctx, op, t, video.PublishedFilter{Profile: s.Profile, Video: v, Limit: page})
		if err != nil {
			return removed, err
		}
		var hide []operation
		for _, row := range rows {
			hide = append(hide, remove(op, s.Parent, s.parentID(v, video.Fingerprint(row.Generation))))
		}
		if _, err := failures(hide, x.feeder.feed(ctx, hide)); err != nil {
			return removed, err
		}
		n, err := x.removeAll(ctx, op, s, selection{where: "video_id contains @video", video: string(v)})
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func remove(op, docType, id string) operation {
	return operation{op: op, method: http.MethodDelete, id: documentID(docType, id), path: documentPath(docType, id), subject: id}
}

// selection selects documents of a schema by video and generation.
type selection struct {
	where, video, generation string
}

// ids counts the documents of a selection and returns the ids of at most n.
func (x *Index) ids(ctx context.Context, op string, s *schema, what selection, n int) (total int, ids []string, err error) {
	answer, err := x.ask(ctx, query{
		op: op, subject: what.video, profile: "unranked", summary: "ids", hits: n,
		yql:        "select * from " + s.Name + " where " + what.where + " and tenant contains @tenant",
		parameters: map[string]any{"video": what.video, "generation": what.generation, "tenant": string(s.Tenant)},
	})
	if err != nil {
		return 0, nil, err
	}
	for _, h := range answer.hits {
		var f frameFields
		if err := h.decode(op, &f); err != nil {
			return 0, nil, err
		}
		ids = append(ids, f.DocID)
	}
	return answer.total, ids, nil
}

// each performs an operation on every document of a selection. The operation must remove
// the document from the selection, so each always reads the first page, and an interrupted
// call continues where it stopped.
func (x *Index) each(
	ctx context.Context, op string, s *schema, what selection, operate func(id string) operation, done func(n int),
) error {
	seen := map[string]bool{}
	for {
		_, ids, err := x.ids(ctx, op, s, what, page)
		if err != nil || len(ids) == 0 {
			return err
		}
		ops, fresh := []operation{}, 0
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				fresh++
			}
			ops = append(ops, operate(id))
		}
		if fresh == 0 {
			return fault.New(fault.Transport, op, s.Name, "Vespa still finds documents whose removal it acknowledged")
		}
		failed, err := failures(ops, x.feeder.feed(ctx, ops))
		if done != nil {
			done(min(fresh, len(ops)-len(failed)))
		}
		if err != nil {
			return err
		}
	}
}

// removeAll removes the documents of a selection and counts them.
func (x *Index) removeAll(ctx context.Context, op string, s *schema, what selection) (removed int, err error) {
	err = x.each(ctx, op, s, what, func(id string) operation { return remove(op, s.Name, id) }, func(n int) { removed += n })
	return removed, err
}
