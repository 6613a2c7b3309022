// Package texts computes and stores the embeddings of texts: captions, passages of speech and
// queries. It knows no frames, workflows or index.
package texts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const batch = 64 // texts per call

// Embedder turns texts into vectors.
type Embedder interface {
	activities.Limits
	// EmbedTexts returns one embedding a text, in their order.
	EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error)
}

// Set is a number of texts to embed, and what became of them.
type Set struct {
	Embedder Embedder
	Stage    *activities.ModelStage // the embedder's; its store gets the vectors
	Profile  video.Profile
	Most     int // maximum of refused texts; with more the model is at fault

	mu    sync.Mutex
	calls int // texts that were embedded
	cost  int64
	bad   map[string]error // texts that the model refuses, and why
	first error            // of them
}

// Embed makes sure that the embedding of each text is stored, except for the refused ones.
// A preview model costs nothing, so its calls are not in the ledger.
func (s *Set) Embed(ctx context.Context, texts []string) error {
	missing, err := s.missing(ctx, texts)
	if err != nil {
		return err
	}
	if !s.Profile.Embed.Preview {
		return panics.Each(slices.Collect(slices.Chunk(missing, s.perCall())), func(some []string) error { return s.some(ctx, some) })
	}
	for some := range slices.Chunk(missing, batch) {
		answer, err := s.ask(ctx, some)
		if err == nil {
			err = answer.Store(ctx)
		}
		if err != nil {
			return err
		}
	}
	s.count(video.Paid{Called: true}, len(missing))
	return nil
}

// Calls is how many texts were embedded; the others were stored already.
func (s *Set) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// CostMicroUSD is what they cost.
func (s *Set) CostMicroUSD() int64 { return s.cost }

// Refused is why the model refuses a text; nil = it has an embedding.
func (s *Set) Refused(text string) error { return s.bad[text] }

// missing lists the different texts without a stored embedding.
func (s *Set) missing(ctx context.Context, texts []string) (missing []string, err error) {
	seen := map[string]bool{}
	for _, text := range texts {
		if seen[text] {
			continue
		}
		seen[text] = true
		_, err := Read(ctx, s.Stage.Store, s.tenant(), s.Profile.EmbedFingerprint(text))
		if activities.Absent(err) {
			missing = append(missing, text)
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

func (s *Set) tenant() tenant.ID { return s.Stage.Payer.Tenant }

// some embeds texts by one request. A refused batch is split until the refused text is
// found.
func (s *Set) some(ctx context.Context, texts []string) error {
	paid, err := s.Stage.Answered(ctx, s.question(texts))
	s.count(paid, len(texts))
	_, bad := errors.AsType[*video.BadVector](err)
	switch {
	case fault.ClassOf(err) != fault.Input, money.IsCharged(err) && !bad: // a mistake of the profile
		return err
	case len(texts) == 1:
		return s.refuse(texts[0], err)
	}
	half := len(texts) / 2
	if err := s.some(ctx, texts[:half]); err != nil {
		return err
	}
	return s.some(ctx, texts[half:])
}

func (s *Set) question(texts []string) activities.Question {
	q := activities.Question{
		Fingerprint: s.batch(texts),
		Cost:        money.Times(len(texts), s.Profile.Embed.CostMicroUSD),
		Unpriced:    s.Profile.Embed.Unpriced,
		Prepare: func(context.Context) (video.Ask, error) {
			return func(ctx context.Context) (video.PaidAnswer, error) {
				answer, err := s.ask(ctx, texts)
				if bad, ok := errors.AsType[*video.BadVector](err); ok && len(texts) > 1 {
					// The same request would be billed again for the same text, so the
					// others are requested without it.
					err = money.ChargeUnknown(&fault.Error{Class: fault.Input, Err: bad})
				}
				return answer, err
			}, nil
		},
	}
	if len(texts) == 1 {
		q.Fingerprint = s.Profile.EmbedFingerprint(texts[0])
		q.Key = video.EmbeddingKey(s.tenant(), q.Fingerprint)
	}
	return q
}

// batch names a request of several texts by the embeddings that it stores. Only a request
// that stores the same is the same: profiles may keep vectors of one model in different ways.
func (s *Set) batch(texts []string) video.Fingerprint {
	stored := make([]string, len(texts))
	for i, text := range texts {
		stored[i] = string(s.Profile.EmbedFingerprint(text))
	}
	return video.NewFingerprint("embeddings", stored...)
}

func (s *Set) count(paid video.Paid, texts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cost = money.Sum(s.cost, paid.CostMicroUSD)
	if paid.Called {
		s.calls += texts
	}
}

// refuse leaves a text out. When many are refused the model is at fault, and no more are
// requested.
func (s *Set) refuse(text string, why error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad == nil {
		s.bad, s.first = map[string]error{}, why
	}
	s.bad[text] = why
	if len(s.bad) > s.Most {
		return s.first
	}
	return nil
}

// perCall is the number of texts in one request. An embedder that sends one request per text
// gets one at a time, because a ledger entry is one request.
func (s *Set) perCall() int {
	if e, ok := s.Embedder.(interface{ TextsPerCall(s video.Stage) int }); ok {
		return max(1, min(e.TextsPerCall(s.Profile.Embed), batch))
	}
	return batch
}

// ask requests the embeddings of texts, and can store them.
func (s *Set) ask(ctx context.Context, texts []string) (video.PaidAnswer, error) {
	vectors, err := Vectors(ctx, s.Embedder, video.TextRequest{Stage: s.Profile.Embed, Texts: texts})
	return video.PaidAnswer{
		CostMicroUSD: money.Times(len(texts), s.Profile.Embed.CostMicroUSD),
		Store: func(ctx context.Context) error {
			for i, v := range vectors {
				key := video.EmbeddingKey(s.tenant(), s.Profile.EmbedFingerprint(texts[i]))
				if err := Write(ctx, s.Stage.Store, key, v.Kept(s.Profile.Embed.Keep)); err != nil {
					return err
				}
			}
			return nil
		},
	}, err
}

// Vectors requests the embeddings of texts. A wrong number, shape or dimension is a failure
// of the model and is never indexed.
func Vectors(ctx context.Context, e Embedder, r video.TextRequest) ([]video.Embedding, error) {
	vectors, err := e.EmbedTexts(ctx, r)
	if err != nil {
		return nil, err
	}
	cost := money.Times(len(r.Texts), r.Stage.CostMicroUSD)
	if len(vectors) != len(r.Texts) {
		return nil, money.Charge(fault.New(fault.Transport, "embed with", r.Stage.Model,
			fmt.Sprintf("%d embeddings for %d texts", len(vectors), len(r.Texts))), cost)
	}
	for _, v := range vectors {
		if err := r.Stage.CheckVector(v); err != nil {
			return nil, money.Charge(video.AsBadVector(err), cost)
		}
	}
	return vectors, nil
}

// Write stores an embedding.
func Write(ctx context.Context, s activities.Store, key string, v video.Embedding) error {
	data, err := v.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, key, bytes.NewReader(data))
	return err
}

// Read reads a stored embedding.
func Read(ctx context.Context, s activities.Store, t tenant.ID, f video.Fingerprint) (video.Embedding, error) {
	var v video.Embedding
	data, err := activities.ReadAll(ctx, s, video.EmbeddingKey(t, f))
	if err != nil {
		return v, err
	}
	return v, v.UnmarshalBinary(data)
}
