// Package serving puts adapters into a running vLLM server and takes them out.
// An adapter counts as loaded when the server lists it and has answered with it,
// not when it says so. It knows nothing of where adapters come from.
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
	URL              string             // base that ends in /v1
	Key, KeyVariable string             // bearer token, and the variable it came from
	Timeout          time.Duration      // of one call; 0 = 2 min
	Redactor         *safetext.Redactor // of what the server says; nil = of Key only
	MaxRank          int                // the server's --max-lora-rank; 0 = unknown, the server will say
}

// Server is one vLLM server. It is safe for concurrent use. Make one with New.
type Server struct {
	options Options
	http    *http.Client   // for the calls that answer with plain text
	client  *openai.Client // for the rest
}

// New makes a Server. It calls nothing.
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

// LoadRequest says what to load.
type LoadRequest struct {
	Base      string // model that the adapter was trained on, as the server lists it (id or root)
	Name      string // under which the adapter will be asked for
	Dir       string // folder with adapter_config.json and adapter_model.safetensors, on this machine
	ServerDir string // the same folder as the server sees it; empty = Dir
	Embedding bool   // the server embeds texts; false = it writes them
}

// Load loads an adapter and has it answer. Loaded already, it only has it
// answer. A name that stands for another folder is given to the new one, and
// given back if that one fails; otherwise what failed is not listed afterwards.
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
		err = s.fault(fault.Transport, r.Name, "the server says that it is loaded, and does not list it", nil)
	}
	if err != nil {
		return undone(err, undo)
	}
	if err := s.smoke(ctx, r); err != nil {
		return undone(err, undo)
	}
	return nil
}

// answered checks that an adapter answers which another client loaded before. It is
// unloaded only if it never will, because it may be in use.
func (s *Server) answered(ctx context.Context, r LoadRequest, undo func() error) error {
	err := s.smoke(ctx, r)
	if fault.ClassOf(err) == fault.Input {
		return undone(err, undo)
	}
	return err
}

// Unload unloads an adapter; a missing one is not an error.
func (s *Server) Unload(ctx context.Context, name string) error {
	return s.remove(ctx, name)
}

// undone reverts what err has made useless, even if the caller has gone.
func undone(err error, undo func() error) error {
	if problem := undo(); problem != nil {
		return &fault.Error{
			Class: fault.ClassOf(err), Op: op, RetryAfter: fault.RetryAfter(err),
			Reason: "and it could not be taken out again (" + problem.Error() + ")", Err: err,
		}
	}
	return err
}

// find returns the folder that a name stands for on the server; empty = none. It
// makes sure that the server serves the base, and that the name is an adapter of
// it.
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
			return "", s.fault(fault.Input, r.Name, "the server has a model of this name; name the adapter otherwise", nil)
		case !bases[m.Parent]:
			return "", s.fault(fault.Input, r.Name, "the server has it as an adapter of "+m.Parent+", not of "+r.Base, nil)
		default:
			return m.Root, nil
		}
	}
	return "", nil
}
