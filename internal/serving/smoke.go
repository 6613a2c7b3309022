package serving

import (
	"context"
	"fmt"
	"math"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
)

// smoke has the adapter answer once, as shortly as can be. Old servers say that
// an adapter is loaded without having looked at it. A completion needs no chat
// template, which a base model may not have.
func (s *Server) smoke(ctx context.Context, r LoadRequest) error {
	const text = "Hello"
	if r.Embedding {
		return s.smokeEmbedding(ctx, r, text)
	}
	said, err := s.client.CreateCompletion(ctx, openai.CompletionRequest{
		Model: r.Name, Prompt: text, MaxTokens: 1, Temperature: math.SmallestNonzeroFloat32,
	})
	if err != nil {
		return s.mute(r, err)
	}
	if len(said.Choices) != 1 || said.Model != r.Name || said.Usage == nil || said.Usage.CompletionTokens < 1 {
		return s.fault(fault.Transport, r.Name, fmt.Sprintf("it answers with %d choices as %q, not with a token", len(said.Choices), said.Model), nil)
	}
	return nil
}

func (s *Server) smokeEmbedding(ctx context.Context, r LoadRequest, text string) error {
	said, err := s.client.CreateEmbeddings(ctx, openai.EmbeddingRequest{Model: openai.EmbeddingModel(r.Name), Input: []string{text}})
	if err != nil {
		return s.mute(r, err)
	}
	if len(said.Data) != 1 || len(said.Data[0].Embedding) == 0 || string(said.Model) != r.Name {
		return s.fault(fault.Transport, r.Name, fmt.Sprintf("it answers with %d vectors as %q", len(said.Data), said.Model), nil)
	}
	for _, x := range said.Data[0].Embedding {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return s.fault(fault.Input, r.Name, "its vectors are not numbers; the training diverged", nil)
		}
	}
	return nil
}

// mute says that an adapter is loaded and does not answer.
func (s *Server) mute(r LoadRequest, err error) error {
	err = explain(r.Name, err)
	class := fault.ClassOf(err)
	if class == "" {
		return err // a cancellation
	}
	reason := "it is loaded, but the first request fails"
	if what := advice(r, &refusal{said: err.Error()}); what != "" {
		class, reason = fault.Input, reason+"; "+what
	}
	return &fault.Error{Class: class, Op: op, Subject: r.Name, RetryAfter: fault.RetryAfter(err), Reason: reason, Err: err}
}
