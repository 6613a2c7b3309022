package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// storeBatch stores a batch of pictures as the gateway does.
func storeBatch(t testing.TB, store activities.Store, owner tenant.ID, pictures int) video.Fingerprint {
	t.Helper()
	var b video.Batch
	shown := map[string][]byte{}
	for i := range pictures {
		jpeg := vlmtest.Picture(t, i)
		sum := sha256.Sum256(jpeg)
		shown[hex.EncodeToString(sum[:])] = jpeg
		b.Frames = append(b.Frames, video.BatchFrame{Key: strconv.Itoa(i), SHA256: hex.EncodeToString(sum[:])})
	}
	prefix := video.BatchPrefix(owner, b.ID())
	for sum, jpeg := range shown {
		_, err := store.Put(t.Context(), video.BatchPictureKey(prefix, sum), bytes.NewReader(jpeg))
		require.NoError(t, err)
	}
	require.NoError(t, activities.WriteManifest(t.Context(), store, video.BatchKey(prefix), b))
	return b.ID()
}
