package ingest

import (
	"context"
	"errors"

	"github.com/cogniverse/cogflow/activities/ingest/example"
	"github.com/cogniverse/cogflow/activities/ingest/texts"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// maxExampleRows is how many vectors of an example are compared, if it has one for each patch.
const maxExampleRows = 128

// asked is what a query needs embedded: words, or a picture.
type asked struct {
	fingerprint video.Fingerprint // of the embedding
	prepare     func(ctx context.Context) (embed, error)
}

type embed func(ctx context.Context) (video.Embedding, error)

// words embeds the words of a query, in full precision.
func (a *Activities) words(p video.Profile, query string) asked {
	ask := func(ctx context.Context) (video.Embedding, error) {
		vectors, err := texts.Vectors(ctx, a.Embedder, video.TextRequest{Stage: p.Embed, Query: true, Texts: []string{query}})
		if err != nil {
			return video.Embedding{}, err
		}
		return vectors[0], nil
	}
	return asked{p.QueryFingerprint(query), func(context.Context) (embed, error) { return ask, nil }}
}

// shown embeds a picture exactly as a frame with these bytes, so that a frame that is
// indexed costs nothing and is its own best hit.
func (a *Activities) shown(t tenant.ID, p video.Profile, image string) (asked, error) {
	if err := example.Check(p, a.Pictured); err != nil {
		return asked{}, err
	}
	return asked{example.Fingerprint(p, image), func(ctx context.Context) (embed, error) {
		jpeg, err := example.Picture(ctx, a.Store, t, image)
		return func(ctx context.Context) (video.Embedding, error) {
			vector, err := a.embedPictures(ctx, p, [][]byte{jpeg})
			return vector.Kept(p.Embed.Keep), err
		}, err
	}}, nil
}

// compared is the embedding that a search compares documents with.
func (a *Activities) compared(ctx context.Context, p video.Profile, in SearchInput) (e video.Embedding, err error) {
	switch {
	case in.Like != "":
		e, err = a.Index.Vector(ctx, in.Tenant, p.Name, in.Like)
	case in.Image != "":
		e, err = texts.Read(ctx, a.Store, in.Tenant, example.Fingerprint(p, in.Image))
	case in.Rank == video.RankBM25:
		return e, nil
	default:
		e, err = texts.Read(ctx, a.Store, in.Tenant, p.QueryFingerprint(in.Query))
	}
	if in.Like == "" && err != nil {
		return e, errors.Join(errors.New("read the query's embedding"), err)
	}
	if in.Given() {
		e = e.Sampled(maxExampleRows)
	}
	return e, err
}
