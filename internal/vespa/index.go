package vespa

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Options has the address of Vespa and what is deployed there.
type Options struct {
	URL         string          // of a container: http://localhost:8080
	Tenants     []tenant.ID     // whose schemas are deployed
	Profiles    []video.Profile // the profiles of each tenant
	Connections int             // number of HTTP/2 connections, default 8; use 1 if there are many workers
	Timeout     time.Duration   // of one request, default 190 s
}

// Index is a Vespa application as a search index.
type Index struct {
	client *client
	feeder *feeder
	layout *layout
	now    func() time.Time
}

// Open prepares an index; it does not connect. See Check.
func Open(o Options) (*Index, error) {
	l, err := newLayout(o.Tenants, o.Profiles)
	if err != nil {
		return nil, err
	}
	c, err := newClient(o.URL, cmp.Or(o.Connections, 8), cmp.Or(o.Timeout, 190*time.Second))
	if err != nil {
		return nil, err
	}
	return &Index{client: c, feeder: newFeeder(c), layout: l, now: time.Now}, nil
}

// Close drops idle connections.
func (x *Index) Close() error {
	x.client.close()
	return nil
}

// Check reports whether Vespa responds and every schema is deployed.
func (x *Index) Check(ctx context.Context) error {
	names := parents(x.layout)
	for _, s := range x.layout.schemas {
		names = append(names, s.Name)
	}
	for _, name := range names {
		a, err := x.client.do(ctx, http.MethodGet, documentPath(name, "cogflow-check"), nil)
		switch {
		case err != nil:
			return fault.Wrap(fault.Transport, "check vespa", name, err)
		case a.status == http.StatusOK || a.status == http.StatusNotFound:
		case a.status == http.StatusBadRequest:
			return fault.New(fault.Input, "check vespa", name, "this schema is not deployed; run cogflow vespa deploy")
		default:
			return a.fail("check vespa", name)
		}
	}
	return nil
}

// schemaOf returns the schema of a tenant's profile.
func (x *Index) schemaOf(op string, t tenant.ID, profile string) (*schema, error) {
	if t == "" || profile == "" {
		return nil, fault.New(fault.Input, op, "", "a tenant and a profile are required")
	}
	if s := x.layout.of(t, profile); s != nil {
		return s, nil
	}
	return nil, fault.New(fault.Input, op, SchemaName(profile, t),
		"profile "+profile+" of tenant "+string(t)+" is not deployed; add it and run cogflow vespa deploy")
}

// rounds is how often Upsert feeds documents that failed with a transient error.
const rounds = 3

// Upsert stores documents by id. If one of them is invalid, none is sent. New documents
// are invisible until Publish. A document that is visible already is replaced in place.
func (x *Index) Upsert(ctx context.Context, docs []video.Document) error {
	ops, err := x.puts(docs, nil)
	if err != nil || len(ops) == 0 {
		return err
	}
	late, err := x.late(ctx, docs)
	if err != nil {
		return err
	}
	if len(late) > 0 {
		if ops, err = x.puts(docs, late); err != nil {
			return err
		}
	}
	for round := 1; ; round++ {
		failed, err := failures(ops, x.feeder.feed(ctx, ops))
		if fault.ClassOf(err) != fault.Transport || round == rounds || ctx.Err() != nil {
			return err
		}
		ops = failed
	}
}

// puts encodes documents and marks those that are listed in late.
func (x *Index) puts(docs []video.Document, late map[string]bool) ([]operation, error) {
	ops := make([]operation, len(docs))
	for i, d := range docs {
		s, err := x.schemaOf(opUpsert, d.Tenant, d.Profile)
		if err != nil {
			return nil, err
		}
		put, err := s.encode(d, late[documentID(s.Name, d.ID)])
		if err != nil {
			return nil, err
		}
		ops[i] = operation{op: opUpsert, method: http.MethodPost, id: put.ID, path: put.Path, body: put.Body, subject: d.ID}
	}
	return ops, nil
}

// late finds the documents that are new in an already published generation.
func (x *Index) late(ctx context.Context, docs []video.Document) (map[string]bool, error) {
	published := map[string]bool{}
	var group panics.Group
	group.SetLimit(32)
	marks := make([]bool, len(docs))
	for i, d := range docs {
		s := x.layout.of(d.Tenant, d.Profile)
		parent := s.parentID(d.Video, d.Generation)
		known, asked := published[s.Parent+parent]
		if !asked {
			found, err := x.get(ctx, s.Parent, parent, "published")
			if err != nil {
				return nil, err
			}
			known = found != nil && found["published"] == float64(1)
			published[s.Parent+parent] = known
		}
		if !known {
			continue
		}
		group.Go(func() error {
			found, err := x.get(ctx, s.Name, d.ID, "late")
			marks[i] = found == nil || found["late"] == float64(1)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	late := map[string]bool{}
	for i, d := range docs {
		if marks[i] {
			late[documentID(SchemaName(d.Profile, d.Tenant), d.ID)] = true
		}
	}
	return late, nil
}

// get reads one field of a document; nil if there is no such document.
func (x *Index) get(ctx context.Context, docType, id, field string) (map[string]any, error) {
	const op = "read document"
	a, err := x.client.do(ctx, http.MethodGet, documentPath(docType, id)+"?fieldSet="+docType+":"+field, nil)
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Transport, op, id, err)
	case a.status == http.StatusNotFound:
		return nil, nil
	case a.status != http.StatusOK:
		return nil, a.fail(op, id)
	}
	var found struct {
		ID     string         `json:"id"`
		Fields map[string]any `json:"fields"`
	}
	if err := json.Unmarshal(a.body, &found); err != nil || found.ID != documentID(docType, id) || found.Fields == nil {
		return nil, fault.New(fault.Transport, op, id, "the response is not a document, or is truncated")
	}
	return found.Fields, nil
}

// failures lists the operations that failed. The error is the most severe one, with the
// number of failures.
func failures(ops []operation, errs []error) (failed []operation, worst error) {
	order := []fault.Class{fault.Input, fault.Auth, fault.Capacity, fault.Overload, fault.Transport}
	severity := func(err error) int {
		if at := slices.Index(order, fault.ClassOf(err)); at >= 0 {
			return at
		}
		return len(order) // a cancellation
	}
	for i, err := range errs {
		if err == nil {
			continue
		}
		failed = append(failed, ops[i])
		if worst == nil || severity(err) < severity(worst) {
			worst = err
		}
	}
	if len(failed) > 1 {
		if f, ok := errors.AsType[*fault.Error](worst); ok {
			counted := *f
			counted.Reason = strconv.Itoa(len(failed)) + " of " + strconv.Itoa(len(ops)) + " operations failed; the most severe error: " + f.Reason
			worst = &counted
		}
	}
	return failed, worst
}
