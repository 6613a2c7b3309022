package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/safetext"
)

// plainClient is for vLLM's own two calls, which answer with a sentence where
// package answer insists on JSON. It follows no redirect and no proxy.
func plainClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second, MaxIdleConns: 4, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refusal is an answer other than 200.
type refusal struct {
	status     int
	said       string
	retryAfter time.Duration
}

// put has a name stand for the folder; instead = for which folder it stands now,
// which it goes on to do if this fails.
func (s *Server) put(ctx context.Context, r LoadRequest, instead string) error {
	no, err := s.postLoad(ctx, r.Name, r.ServerDir, instead != "")
	if err == nil && no != nil && strings.Contains(no.said, "already been loaded") {
		// A server that knows no load_inplace, or another worker was faster.
		if err = s.remove(ctx, r.Name); err != nil {
			return err
		}
		if no, err = s.postLoad(ctx, r.Name, r.ServerDir, false); (err != nil || no != nil) && instead != "" {
			_, _ = s.postLoad(context.WithoutCancel(ctx), r.Name, instead, false) // the first error is the one to tell
		}
	}
	if err != nil || no == nil {
		return err
	}
	return s.refused(r, no)
}

func (s *Server) postLoad(ctx context.Context, name, dir string, inPlace bool) (*refusal, error) {
	body := map[string]any{"lora_name": name, "lora_path": dir}
	if inPlace {
		body["load_inplace"] = true
	}
	return s.post(ctx, name, "/load_lora_adapter", body)
}

// remove unloads a name, even if the caller has gone.
func (s *Server) remove(ctx context.Context, name string) error {
	no, err := s.post(context.WithoutCancel(ctx), name, "/unload_lora_adapter", map[string]any{"lora_name": name})
	switch {
	case err != nil || no == nil:
		return err
	case no.status == http.StatusNotFound && strings.Contains(no.said, "cannot be found"),
		no.status == http.StatusBadRequest && strings.Contains(no.said, "cannot be found"):
		return nil
	}
	return s.refused(LoadRequest{Name: name}, no)
}

// post makes one call. A refusal is an answer; an error is a call without one.
func (s *Server) post(ctx context.Context, name, route string, body any) (*refusal, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, s.fault(fault.Input, name, "", err)
	}
	limited, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodPost, s.options.URL+route, bytes.NewReader(text))
	if err != nil {
		return nil, s.fault(fault.Input, name, "the address of the server cannot be used", nil)
	}
	request.Header.Set("Content-Type", "application/json")
	if s.options.Key != "" {
		request.Header.Set("Authorization", "Bearer "+s.options.Key)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, s.unanswered(ctx, limited, name, err)
	}
	defer response.Body.Close()
	const most = 64 << 10
	said, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, s.unanswered(ctx, limited, name, err)
	}
	if response.StatusCode == http.StatusOK {
		return nil, nil //nolint:nilnil // neither
	}
	return &refusal{
		status: response.StatusCode, said: s.sentence(said),
		retryAfter: answer.RetryAfter(response.Header.Get("Retry-After"), time.Now()),
	}, nil
}

func (s *Server) unanswered(ctx, limited context.Context, name string, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return s.fault(fault.Transport, name, "the server did not answer within "+s.options.Timeout.String(), answer.ErrTimeout)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address
	}
	return s.fault(fault.Transport, name, "", err)
}

// advice says what to do about a text of vLLM's, whatever status it comes with:
// versions differ in that.
func advice(r LoadRequest, no *refusal) string {
	has := func(text string) bool { return strings.Contains(no.said, text) }
	switch {
	case has("max_lora_rank"):
		return "start the server with a larger --max-lora-rank, or train with a smaller lora.r"
	case has("LoRA is not enabled"):
		return "start the server with --enable-lora"
	case has("No adapter found"), has("No such file"):
		return fmt.Sprintf("the server does not see the folder %q; mount the adapters there, or name the folder as it sees it", r.ServerDir)
	case has("modules_to_save"), has("DoRA"):
		return "serve the merged weights instead (merge: true)"
	case has("target modules"), has("unsupported LoRA weight"):
		return "train only layers that the server can adapt (lora.target_modules)"
	case (no.status == http.StatusNotFound || no.status == http.StatusMethodNotAllowed) && !has("adapter"):
		return "the server takes no adapters while it runs; start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and --enable-lora"
	}
	return ""
}

// refused classifies a refusal.
func (s *Server) refused(r LoadRequest, no *refusal) error {
	f := s.fault(fault.Input, r.Name, fmt.Sprintf("status %d: %s", no.status, no.said), nil)
	f.RetryAfter = no.retryAfter
	if what := advice(r, no); what != "" {
		f.Reason += "; " + what
		return f
	}
	f.Class = fault.StatusClass(no.status)
	switch code := no.status; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		f.Reason = fmt.Sprintf("status %d: the key is refused or missing", code) // what it says may repeat the key
		if s.options.KeyVariable != "" {
			f.Reason += "; check " + s.options.KeyVariable
		}
	case code >= 300 && code < 400:
		f.Reason += "; redirects are not followed: configure the address that they lead to"
	}
	return f
}

// fault makes one. A server may repeat what it was sent: never the key.
func (s *Server) fault(class fault.Class, subject, reason string, err error) *fault.Error {
	return &fault.Error{
		Class: class, Op: op, Subject: subject, Reason: s.options.Redactor.Text(reason), Err: s.options.Redactor.Error(err),
	}
}

// explain takes the fault out of what the library says, or classifies that.
func explain(name string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.Wrap(fault.Transport, op, name, err)
}

// sentence finds what the server says: vLLM's {"error": {"message"}} and, before
// 0.11, {"object": "error", "message"}; FastAPI's {"detail"}.
func (s *Server) sentence(body []byte) string {
	var shape struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	text := string(body)
	if json.Unmarshal(body, &shape) == nil {
		var inner struct {
			Message string `json:"message"`
		}
		var plain string
		switch {
		case json.Unmarshal(shape.Error, &inner) == nil && inner.Message != "":
			text = inner.Message
		case json.Unmarshal(shape.Error, &plain) == nil && plain != "":
			text = plain
		case shape.Message != "":
			text = shape.Message
		case json.Unmarshal(shape.Detail, &plain) == nil && plain != "":
			text = plain
		}
	}
	return strconv.Quote(s.options.Redactor.Reply(text, safetext.MaxReason))
}
