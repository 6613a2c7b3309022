package vespa

import (
	"context"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/internal/vespa/exact"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Vector is the embedding of a document, in the most precise form that the schema stores.
func (x *Index) Vector(ctx context.Context, t tenant.ID, profile, document string) (video.Embedding, error) {
	const op = "search by example"
	s, err := x.schemaOf(op, t, profile)
	if err != nil {
		return video.Embedding{}, err
	}
	field := "embedding"
	if s.Float == "" {
		field = "embedding_binary"
	}
	if document == "" || exact.Clean(document) != document {
		return video.Embedding{}, index.NoDocument(profile, document)
	}
	found, err := x.get(ctx, s.Name, document, field)
	if err != nil {
		return video.Embedding{}, err
	}
	if found == nil {
		return video.Embedding{}, index.NoDocument(profile, document)
	}
	e := video.Embedding{Dim: s.Dim}
	stored, _ := found[field].(map[string]any)
	if blocks, ok := stored["blocks"].(map[string]any); ok {
		for row := range len(blocks) { // their labels are 0, 1, 2, …; see appendTensor
			e = s.withRow(e, blocks[strconv.Itoa(row)])
		}
	} else {
		e = s.withRow(e, stored["values"])
	}
	if err := e.Check(); err != nil {
		return e, &fault.Error{Class: fault.Transport, Op: op, Subject: document, Reason: "Vespa's response has no embedding of the schema's shape", Err: err}
	}
	return e, nil
}

// withRow appends the cells of one vector.
func (s *schema) withRow(e video.Embedding, cells any) video.Embedding {
	e.Rows++
	list, _ := cells.([]any)
	for _, cell := range list {
		number, _ := cell.(float64)
		if s.Float == "" {
			e.Bits = append(e.Bits, byte(int8(number)))
		} else {
			e.Floats = append(e.Floats, float32(number))
		}
	}
	return e
}
