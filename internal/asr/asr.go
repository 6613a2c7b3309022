// Package asr transcribes speech with any server of OpenAI's /v1/audio/transcriptions:
// OpenAI, vLLM with Whisper, faster-whisper-server. It knows no budget, store or
// workflow.
package asr

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"mime/multipart"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

const op = "transcribe"

// Options of an endpoint.
type Options struct {
	URL              string // base URL that ends in /v1
	Key, KeyVariable string
	Timeout          time.Duration      // of one piece of ten minutes; 0 = 10 min
	Shared           *limit.Limit       // of a server that other adapters call too; nil = its own
	MaxInFlight      int                // calls at once; 0 = discovered
	Redactor         *safetext.Redactor // for the endpoint's messages; nil = of Key only
	Params           *params.Endpoint   // parameters that its models refuse; nil = its own, for this process
}

// Transcriber calls one endpoint. Make one with New.
type Transcriber struct {
	url    string
	client *answer.Client
	limit  *limit.Limit
	params *params.Endpoint
}

// New makes a Transcriber.
func New(o Options) *Transcriber {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	return &Transcriber{
		params: cmp.Or(o.Params, &params.Endpoint{}),
		url:    strings.TrimSuffix(o.URL, "/"),
		client: answer.New(answer.Options{Op: op, Key: o.Key, KeyVariable: o.KeyVariable, Timeout: o.Timeout, MaxBytes: 8 << 20, Redactor: o.Redactor}),
		limit:  cmp.Or(o.Shared, limit.New(limit.Options{Start: 2, Max: o.MaxInFlight, Fixed: o.MaxInFlight > 0})),
	}
}

// Limit is the concurrency that the endpoint takes, as far as is known.
func (t *Transcriber) Limit(string) int { return t.limit.Limit() }

// Transcribe transcribes one piece of sound. A piece without speech has no segments, and silence around
// the words is not a part of them. A model
// that has no times of segments gives the whole text.
func (t *Transcriber) Transcribe(ctx context.Context, r video.TranscribeRequest) (video.Transcript, error) {
	length, err := length(r.FLAC)
	if err != nil {
		return video.Transcript{}, money.NeverSent(err)
	}
	said, err := params.Ask(ctx, t.params, r.Stage.Model, func(without params.Set) ([]byte, params.Set, error) {
		call, err := t.call(r, without)
		if err != nil {
			return nil, 0, money.NeverSent(fault.Wrap(fault.Input, op, r.Stage.Model, err))
		}
		said, err := answer.Measure(t.limit, func() ([]byte, error) { return t.client.Ask(ctx, call) })
		return said, params.Verbose &^ without, err
	})
	if err != nil {
		return video.Transcript{}, answer.About(op, r.Stage.Model, fault.Wrap(fault.Transport, op, r.Stage.Model, err))
	}
	out, err := read(t.client.Redactor(), r.Stage, said, length)
	if spans, ok := heard(r.FLAC); ok && err == nil {
		out.Segments = within(out.Segments, spans)
	}
	return out, answer.Bill(nil).Charge(said, err) // the price is per call
}

// call is the request: a form with the sound as a file.
func (t *Transcriber) call(r video.TranscribeRequest, without params.Set) (answer.Call, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "audio.flac")
	if err == nil {
		_, err = file.Write(r.FLAC)
	}
	fields := [][2]string{{"model", r.Stage.Model}, {"language", r.Stage.Language}, {"response_format", "verbose_json"}, {"timestamp_granularities[]", "segment"}}
	if without.Has(params.Verbose) { // the default is JSON
		fields = fields[:2]
	}
	for _, field := range fields {
		if err == nil && field[1] != "" {
			err = form.WriteField(field[0], field[1])
		}
	}
	if err == nil {
		err = form.Close()
	}
	return answer.Call{URL: t.url + "/audio/transcriptions", Type: form.FormDataContentType(), Body: body.Bytes()}, err
}

// milliseconds clamps a time to the piece: models invent times after its end.
func milliseconds(seconds float64, length int64) int64 {
	return int64(math.Round(min(max(seconds, 0)*1000, float64(length))))
}

// Check checks that the endpoint serves the models.
func (t *Transcriber) Check(ctx context.Context, models []string) error {
	served, err := t.client.Models(ctx, t.url+"/models", nil)
	if err != nil {
		return answer.About(op, "", fault.Wrap(fault.Transport, "check endpoint", "", err))
	}
	return answer.CheckServed(served, models)
}

// length reads the duration of a FLAC file in milliseconds from its STREAMINFO (RFC 9639,
// 8.2).
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
