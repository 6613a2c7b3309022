package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/texts"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const opExample = "search by example"

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

// example embeds a picture exactly as a frame with these bytes, so that a frame that is
// indexed costs nothing and is its own best hit.
func (a *Activities) example(t tenant.ID, p video.Profile, image string) (asked, error) {
	if p.Embed.Of == video.OfCaption {
		reason := "profile " + strconv.Quote(p.Name) + " embeds captions, which a picture cannot be compared with; "
		if len(a.Pictured) > 0 {
			reason += "search with a profile that embeds pictures: " + strings.Join(a.Pictured, ", ")
		} else {
			reason += "configure one with \"of\": \"frame\" in embed and a model for pictures"
		}
		return asked{}, fault.New(fault.Input, opExample, "", reason+". With every profile, cogflow search --like finds what is like a hit")
	}
	return asked{examplePrint(p, image), func(ctx context.Context) (embed, error) {
		jpeg, err := a.examplePicture(ctx, t, image)
		return func(ctx context.Context) (video.Embedding, error) {
			vector, err := a.embedPictures(ctx, p, [][]byte{jpeg})
			return vector.Kept(p.Embed.Keep), err
		}, err
	}}, nil
}

func examplePrint(p video.Profile, image string) video.Fingerprint {
	return p.PictureFingerprint(video.Frame{SHA256: image})
}

// examplePicture reads a picture. Its embedding is stored under its SHA-256, where runs that
// ingest the same picture find it, so other bytes are refused.
func (a *Activities) examplePicture(ctx context.Context, t tenant.ID, image string) ([]byte, error) {
	bad := func(reason string) error { return fault.New(fault.Input, opExample, image, reason) }
	if _, err := video.ParseID(image); err != nil {
		return nil, err
	}
	key := video.ExampleKey(t, video.ID(image))
	info, err := a.Store.Stat(ctx, key)
	switch {
	case errors.Is(err, object.ErrNotFound):
		return nil, bad("the picture is not in the object store: store it as " + key)
	case err != nil:
		return nil, err
	case info.Size > video.MaxExample:
		return nil, bad("the picture must have at most " + strconv.Itoa(video.MaxExample>>20) + " MiB")
	}
	data, err := activities.ReadAll(ctx, a.Store, key)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != image {
		return nil, bad("the picture's bytes do not have the SHA-256 of its key")
	}
	return data, nil
}

// compared is the embedding that a search compares documents with.
func (a *Activities) compared(ctx context.Context, p video.Profile, in SearchInput) (e video.Embedding, err error) {
	switch {
	case in.Like != "":
		e, err = a.Index.Vector(ctx, in.Tenant, p.Name, in.Like)
	case in.Image != "":
		e, err = texts.Read(ctx, a.Store, in.Tenant, examplePrint(p, in.Image))
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
