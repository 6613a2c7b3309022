package serving

import (
	"context"
	"fmt"
	"math"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
)

// smoke requests one token from the adapter: old servers report an adapter as loaded
// without having read it. It uses the completions route because base models may have no
// chat template.
func (s *Server) smoke(ctx context.Context, r LoadRequest) error {
	const text = "Hello"
	if r.Embedding {
		return s.smokeEmbedding(ctx, r, text)
	}
	response, err := s.client.CreateCompletion(ctx, openai.CompletionRequest{
		Model: r.Name, Prompt: text, MaxTokens: 1, Temperature: math.SmallestNonzeroFloat32,
	})
	if err != nil {
		return s.noResponse(r, err)
	}
	if len(response.Choices) != 1 || response.Model != r.Name || response.Usage == nil || response.Usage.CompletionTokens < 1 {
		return s.fault(fault.Transport, r.Name, fmt.Sprintf("the response has %d choices from model %q, and not one token from the adapter", len(response.Choices), response.Model), nil)
	}
	return nil
}

func (s *Server) smokeEmbedding(ctx context.Context, r LoadRequest, text string) error {
	response, err := s.client.CreateEmbeddings(ctx, openai.EmbeddingRequest{Model: openai.EmbeddingModel(r.Name), Input: []string{text}})
	if err != nil {
		return s.noResponse(r, err)
	}
	if len(response.Data) != 1 || len(response.Data[0].Embedding) == 0 || string(response.Model) != r.Name {
		return s.fault(fault.Transport, r.Name, fmt.Sprintf("the response has %d vectors from model %q, and not one vector from the adapter", len(response.Data), response.Model), nil)
	}
	for _, x := range response.Data[0].Embedding {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return s.fault(fault.Input, r.Name, "its vectors contain NaN or infinity; the training diverged", nil)
		}
	}
	return nil
}

// noResponse returns the error of an adapter that is loaded but fails its first request.
func (s *Server) noResponse(r LoadRequest, err error) error {
	err = explain(r.Name, err)
	class := fault.ClassOf(err)
	if class == "" {
		return err // a cancellation
	}
	reason := "it is loaded, but the first request fails"
	if what := advice(r, &refusal{message: err.Error()}); what != "" {
		class, reason = fault.Input, reason+"; "+what
	}
	return &fault.Error{Class: class, Op: op, Subject: r.Name, RetryAfter: fault.RetryAfter(err), Reason: reason, Err: err}
}
