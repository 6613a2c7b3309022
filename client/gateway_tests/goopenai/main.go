// Command goopenai asks a chat model through the gateway with go-openai, and fails unless the answers
// are those of the model server itself. It is a part of `make test-client`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/sashabaranov/go-openai"
)

func main() {
	const arguments = 4
	if len(os.Args) != arguments {
		log.Fatal("usage: goopenai GATEWAY SERVER MODEL, with the URLs of OpenAI's API")
	}
	if err := compare(context.Background(), client(os.Args[1]), client(os.Args[2]), os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func client(url string) *openai.Client {
	config := openai.DefaultConfig("none")
	config.BaseURL = url
	return openai.NewClientWithConfig(config)
}

// compare asks for the most likely answer, which is always the same, whole and as a stream.
func compare(ctx context.Context, gateway, server *openai.Client, model string) error {
	ask := openai.ChatCompletionRequest{
		Model: model, Messages: []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, Content: "hello"}},
		MaxTokens:   8,    //nolint:staticcheck // transformers knows only this name
		Temperature: 1e-9, // the client leaves out zero
	}
	whole, err := gateway.CreateChatCompletion(ctx, ask)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	own, err := server.CreateChatCompletion(ctx, ask)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	said, want := whole.Choices[0].Message.Content, own.Choices[0].Message.Content
	if tokens := whole.Usage.CompletionTokens; said != want || tokens != own.Usage.CompletionTokens || tokens == 0 {
		return fmt.Errorf("the gateway answers %q with %d tokens, and the server %q with %d", said, tokens, want, own.Usage.CompletionTokens)
	}
	ask.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	stream, err := gateway.CreateChatCompletionStream(ctx, ask)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	defer stream.Close()
	text, tokens, err := receive(stream)
	if err == nil && (text == "" || tokens != own.Usage.CompletionTokens) {
		err = fmt.Errorf("it has %q with %d tokens, and the server answers %d", text, tokens, own.Usage.CompletionTokens)
	}
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return nil
}

// receive is the text of a stream, and the tokens that its usage counts.
func receive(stream *openai.ChatCompletionStream) (text string, tokens int, err error) {
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return text, tokens, nil
		}
		if err != nil {
			return text, tokens, err
		}
		for _, choice := range part.Choices {
			text += choice.Delta.Content
		}
		if part.Usage != nil {
			tokens = part.Usage.CompletionTokens
		}
	}
}
