// Package serving loads adapters into a running vLLM server and unloads them. An adapter
// counts as loaded when the server lists it and has completed a request with it; the
// response to the load call is not enough. It does not know where adapters come from.
package serving

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/safetext"
)

const op = "load adapter"

// Options of a Server.
type Options struct {
	URL              string             // base URL that ends in /v1
	Key, KeyVariable string             // bearer token, and the environment variable that it came from
	Timeout          time.Duration      // of one call; 0 = 2 min
	Redactor         *safetext.Redactor // for the server's messages; nil = redacts Key only
	MaxRank          int                // the server's --max-lora-rank; 0 = unknown, the server checks it
}

// Server is one vLLM server. It is safe for concurrent use. Make one with New.
type Server struct {
	options Options
	http    *http.Client   // for the calls with plain-text responses
	client  *openai.Client // for the rest
}

// New makes a Server. It makes no call.
func New(o Options) *Server {
	o.URL = strings.TrimSuffix(o.URL, "/")
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.Redactor == nil {
		o.Redactor = safetext.NewRedactor([]string{o.Key}, nil)
	}
	config := openai.DefaultConfig(o.Key)
	config.BaseURL = o.URL
	config.HTTPClient = answer.New(answer.Options{Op: op, Key: o.Key, KeyVariable: o.KeyVariable, Timeout: o.Timeout, Redactor: o.Redactor}).HTTP()
	return &Server{options: o, http: plainClient(), client: openai.NewClientWithConfig(config)}
}

// LoadRequest names the adapter to load.
type LoadRequest struct {
	Base      string // model that the adapter was trained on, as the server lists it (id or root)
	Name      string // the model name under which the adapter is served
	Dir       string // folder with adapter_config.json and adapter_model.safetensors, on this machine
	ServerDir string // the same folder as the server sees it; empty = Dir
	Embedding bool   // the model embeds texts; false = it generates them
}

// Load loads an adapter and tests it with one request. If it is loaded already, Load
// only tests it. If the name refers to another folder, it refers to the new one
// afterwards. If the test fails, the former state is restored.
func (s *Server) Load(ctx context.Context, r LoadRequest) error {
	if r.ServerDir == "" {
		r.ServerDir = r.Dir
	}
	if err := s.check(r); err != nil {
		return err
	}
	before, err := s.find(ctx, r)
	if err != nil {
		return err
	}
	if before == r.ServerDir {
		return s.answered(ctx, r, func() error { return s.remove(ctx, r.Name) })
	}
	if err := s.put(ctx, r, before); err != nil {
		return err
	}
	undo := func() error {
		if before == "" {
			return s.remove(ctx, r.Name)
		}
		old := r
		old.ServerDir = before
		return s.put(context.WithoutCancel(ctx), old, r.ServerDir)
	}
	after, err := s.find(ctx, r)
	if err == nil && after != r.ServerDir {
		err = s.fault(fault.Transport, r.Name, "the server reported that it is loaded, but does not list it", nil)
	}
	if err != nil {
		return rollback(err, undo)
	}
	if err := s.smoke(ctx, r); err != nil {
		return rollback(err, undo)
	}
	return nil
}

// answered tests an adapter that another client loaded before. The adapter may be in use,
// so it is unloaded only after a permanent error.
func (s *Server) answered(ctx context.Context, r LoadRequest, undo func() error) error {
	err := s.smoke(ctx, r)
	if fault.ClassOf(err) == fault.Input {
		return rollback(err, undo)
	}
	return err
}

// Unload unloads an adapter; a missing one is not an error.
func (s *Server) Unload(ctx context.Context, name string) error {
	return s.remove(ctx, name)
}

// rollback calls undo and returns err, with the error of undo if that fails too.
func rollback(err error, undo func() error) error {
	if problem := undo(); problem != nil {
		return &fault.Error{
			Class: fault.ClassOf(err), Op: op, RetryAfter: fault.RetryAfter(err),
			Reason: "it could not be unloaded again (" + problem.Error() + ")", Err: err,
		}
	}
	return err
}

// find returns the folder that a name refers to on the server; empty = none. It
// checks that the server serves the base model, and that the name is an adapter
// of that model.
func (s *Server) find(ctx context.Context, r LoadRequest) (string, error) {
	list, err := s.client.ListModels(ctx)
	if err != nil {
		return "", explain(r.Name, err)
	}
	var served []string
	bases := map[string]bool{}
	for _, m := range list.Models {
		served = append(served, m.ID)
		if m.Parent == "" && (m.ID == r.Base || m.Root == r.Base) {
			bases[m.ID] = true
		}
	}
	if len(bases) == 0 {
		return "", answer.CheckServed(served, []string{r.Base})
	}
	for _, m := range list.Models {
		switch {
		case m.ID != r.Name:
		case m.Parent == "":
			return "", s.fault(fault.Input, r.Name, "the server has a model of this name; choose another name for the adapter", nil)
		case !bases[m.Parent]:
			return "", s.fault(fault.Input, r.Name, "the server has it as an adapter of "+m.Parent+", not of "+r.Base, nil)
		default:
			return m.Root, nil
		}
	}
	return "", nil
}
