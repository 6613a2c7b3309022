// Package embed gets vectors of pictures and texts from model servers: vLLM's /pooling,
// which cogflow's own embedder speaks too, and OpenAI's /v1/embeddings. It checks each
// vector: one that is missing, has the wrong dimension or is not of unit length is a
// fault, since no search would find it. It knows no index, budget or workflow.
package embed

import (
	"fmt"
	"math"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

const op = "embed with"

// Options of an endpoint.
type Options struct {
	URL              string // Pooling: the base without /pooling; Texts: the base that ends in /v1
	Key, KeyVariable string
	Timeout          time.Duration
	Shared           *limit.Limit       // of a server that other adapters call too; nil = its own
	MaxInFlight      int                // concurrent calls; 0 = discovered
	Redactor         *safetext.Redactor // for the endpoint's messages; nil = of Key only
	Params           *params.Endpoint   // parameters that its models refuse; nil = its own, for this process
	NoCanary         bool               // Check and Pooling trust the model without the requests that verify it
}

const maxAnswer = 256 << 20 // bytes; 20,000 rows of 1,024 floats in base64

// bytesOf is the maximum size of an answer with a number of vectors of a stage: a larger
// one would only fill the memory.
func bytesOf(s video.Stage, vectors int) int64 {
	const number, rest = 32, 1 << 20 // one as JSON; what else is in an answer
	return min(rest+int64(vectors)*int64(max(s.Dim, 1))*number, maxAnswer)
}

func (o Options) client() *answer.Client {
	return answer.New(answer.Options{Op: op, Key: o.Key, KeyVariable: o.KeyVariable, Timeout: o.Timeout, MaxBytes: maxAnswer, Redactor: o.Redactor})
}

func (o Options) limit() *limit.Limit {
	if o.Shared != nil {
		return o.Shared
	}
	return limit.New(limit.Options{Max: o.MaxInFlight, Fixed: o.MaxInFlight > 0})
}

const (
	maxRows   = 20_000
	unitSlack = 0.02 // how far from 1 the length of a vector may be: bfloat16 models
)

// check refuses vectors that a working model does not return. Rows of zeros are padding
// that the server did not remove: as bits they would look like vectors.
func check(s video.Stage, e video.Embedding) error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Transport, op, s.Model, fmt.Sprintf(format, args...))
	}
	if err := s.CheckVector(e); err != nil {
		return err
	}
	if e.Rows > maxRows {
		return bad("%d vectors for one input", e.Rows)
	}
	for row := range e.Rows {
		switch length := norm(e.Floats[row*e.Dim : (row+1)*e.Dim]); {
		case length == 0:
			return bad("vector %d of %d is all zeros: padding that the server did not drop", row+1, e.Rows)
		case math.Abs(length-1) > unitSlack:
			return bad("vector %d of %d has the length %.3g instead of 1: the model is not the one that was asked for, or its last layer is missing", row+1, e.Rows, length)
		}
	}
	return nil
}

func norm(row []float32) float64 {
	sum := 0.0
	for _, f := range row {
		sum += float64(f) * float64(f)
	}
	return math.Sqrt(sum)
}
