// Package asr has speech written down by any server of OpenAI's
// /v1/audio/transcriptions: OpenAI, vLLM with Whisper, faster-whisper-server.
package asr

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/video"
)

const op = "transcribe"

// Options of an endpoint.
type Options struct {
	URL              string // the base that ends in /v1
	Key, KeyVariable string
	Timeout          time.Duration // of one piece of ten minutes; 0 = 10 min
	MaxInFlight      int           // calls at once; 0 = discovered
}

// Transcriber asks one endpoint. Make one with New.
type Transcriber struct {
	client *openai.Client
	limit  *limit.Limit
}

// New makes a Transcriber.
func New(o Options) *Transcriber {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	config := openai.DefaultConfig(o.Key)
	config.BaseURL = o.URL
	config.HTTPClient = answer.New(answer.Options{
		Op: op, Key: o.Key, KeyVariable: o.KeyVariable, Timeout: o.Timeout, MaxBytes: 8 << 20,
	}).HTTP()
	return &Transcriber{
		client: openai.NewClientWithConfig(config),
		limit:  limit.New(limit.Options{Start: 2, Max: o.MaxInFlight, Fixed: o.MaxInFlight > 0}),
	}
}

// Limit is how many calls the endpoint takes at once, as far as is known.
func (t *Transcriber) Limit(string) int { return t.limit.Limit() }

// Transcribe writes down one piece of sound. A piece in which nobody speaks has
// no segments.
func (t *Transcriber) Transcribe(ctx context.Context, r video.TranscribeRequest) (video.Transcript, error) {
	length, err := length(r.FLAC)
	if err != nil {
		return video.Transcript{}, err
	}
	said, err := answer.Measure(t.limit, func() (openai.AudioResponse, error) {
		return t.client.CreateTranscription(ctx, openai.AudioRequest{
			Model: r.Stage.Model, Reader: bytes.NewReader(r.FLAC), FilePath: "audio.flac", Language: r.Stage.Language,
			Format:                 openai.AudioResponseFormatVerboseJSON,
			TimestampGranularities: []openai.TranscriptionTimestampGranularity{openai.TranscriptionTimestampGranularitySegment},
		})
	})
	if err != nil {
		return video.Transcript{}, fault.Wrap(fault.Transport, op, r.Stage.Model, err)
	}
	out := video.Transcript{
		Language: said.Language, Model: r.Stage.Model, CostMicroUSD: r.Stage.CostMicroUSD, Segments: []video.Segment{},
	}
	for _, s := range said.Segments {
		start, end := milliseconds(s.Start, length), milliseconds(s.End, length)
		if math.IsNaN(s.Start) || math.IsNaN(s.End) || end < start {
			return video.Transcript{}, fault.New(fault.Transport, op, r.Stage.Model, "the answer has a segment that ends before it starts")
		}
		if text := strings.TrimSpace(s.Text); text != "" && start < length {
			out.Segments = append(out.Segments, video.Segment{StartMS: start, EndMS: max(end, start+1), Text: strings.ToValidUTF8(text, "�")})
		}
	}
	if text := strings.TrimSpace(said.Text); len(said.Segments) == 0 && text != "" { // a server without segments
		out.Segments = append(out.Segments, video.Segment{EndMS: length, Text: strings.ToValidUTF8(text, "�")})
	}
	slices.SortStableFunc(out.Segments, func(a, b video.Segment) int { return int(a.StartMS - b.StartMS) })
	return out, nil
}

// milliseconds clamps seconds into the piece: models invent times beyond its end.
func milliseconds(seconds float64, length int64) int64 {
	return int64(math.Round(min(max(seconds, 0)*1000, float64(length))))
}

// Check asks whether the endpoint serves the models.
func (t *Transcriber) Check(ctx context.Context, models []string) error {
	list, err := t.client.ListModels(ctx)
	if err != nil {
		return fault.Wrap(fault.Transport, "check endpoint", "", err)
	}
	var served []string
	for _, m := range list.Models {
		served = append(served, m.ID)
	}
	return answer.CheckServed(served, models)
}

// length reads how many milliseconds a FLAC file lasts from its STREAMINFO
// (RFC 9639, 8.2).
func length(flac []byte) (int64, error) {
	const end = 4 + 4 + 34
	if len(flac) < end || string(flac[:4]) != "fLaC" || flac[4]&0x7F != 0 {
		return 0, fault.New(fault.Input, op, "", "the sound is not a FLAC file")
	}
	field := binary.BigEndian.Uint64(flac[18:26])
	rate, samples := int64(field>>44), int64(field&(1<<36-1))
	if rate == 0 || samples == 0 {
		return 0, fault.New(fault.Input, op, "", "the sound has no samples")
	}
	return samples * 1000 / rate, nil
}
