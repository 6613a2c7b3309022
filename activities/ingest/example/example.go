// Package example reads the pictures that searches compare documents with. It knows no model,
// index or workflow.
package example

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const op = "search by example"

// Check refuses a profile that embeds captions, and names those that embed pictures.
func Check(p video.Profile, pictured []string) error {
	if p.Embed.Of != video.OfCaption {
		return nil
	}
	reason := "profile " + strconv.Quote(p.Name) + " embeds captions, which a picture cannot be compared with; "
	if len(pictured) > 0 {
		reason += "search with a profile that embeds pictures: " + strings.Join(pictured, ", ")
	} else {
		reason += "configure one with \"of\": \"frame\" in embed and a model for pictures"
	}
	return fault.New(fault.Input, op, "", reason+". With every profile, cogflow search --like finds what is like a hit")
}

// Fingerprint determines the embedding of a picture: that of a frame with the same bytes.
func Fingerprint(p video.Profile, image string) video.Fingerprint {
	return p.PictureFingerprint(video.Frame{SHA256: image})
}

// Picture reads a picture. Its embedding is stored under its SHA-256, where runs that ingest
// the same picture find it, so other bytes are refused.
func Picture(ctx context.Context, s activities.Store, t tenant.ID, image string) ([]byte, error) {
	bad := func(reason string) error { return fault.New(fault.Input, op, image, reason) }
	if _, err := video.ParseID(image); err != nil {
		return nil, err
	}
	key := video.ExampleKey(t, video.ID(image))
	info, err := s.Stat(ctx, key)
	switch {
	case errors.Is(err, object.ErrNotFound):
		return nil, bad("the picture is not in the object store: store it as " + key)
	case err != nil:
		return nil, err
	case info.Size > video.MaxExample:
		return nil, bad("the picture must have at most " + strconv.Itoa(video.MaxExample>>20) + " MiB")
	}
	data, err := activities.ReadAll(ctx, s, key)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != image {
		return nil, bad("the picture's bytes do not have the SHA-256 of its key")
	}
	return data, nil
}
