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

// plainClient is for vLLM's two calls that load and unload adapters: their responses are
// plain text, but package answer requires JSON. It ignores redirects and proxies.
func plainClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second, MaxIdleConns: 4, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refusal is a response other than 200.
type refusal struct {
	status     int
	message    string
	retryAfter time.Duration
}

// put loads the folder under the name. current is the folder that the name refers to now
// (empty = none); the name refers to it again if put fails.
func (s *Server) put(ctx context.Context, r LoadRequest, current string) error {
	denied, err := s.postLoad(ctx, r.Name, r.ServerDir, current != "")
	if err == nil && denied != nil && strings.Contains(denied.message, "already been loaded") {
		// The server does not support load_inplace, or another worker was faster.
		if err = s.remove(ctx, r.Name); err != nil {
			return err
		}
		if denied, err = s.postLoad(ctx, r.Name, r.ServerDir, false); (err != nil || denied != nil) && current != "" {
			_, _ = s.postLoad(context.WithoutCancel(ctx), r.Name, current, false) // the first error is reported
		}
	}
	if err != nil || denied == nil {
		return err
	}
	return s.refused(r, denied)
}

func (s *Server) postLoad(ctx context.Context, name, dir string, inPlace bool) (*refusal, error) {
	body := map[string]any{"lora_name": name, "lora_path": dir}
	if inPlace {
		body["load_inplace"] = true
	}
	return s.post(ctx, name, "/load_lora_adapter", body)
}

// remove unloads a name, even if ctx is cancelled.
func (s *Server) remove(ctx context.Context, name string) error {
	denied, err := s.post(context.WithoutCancel(ctx), name, "/unload_lora_adapter", map[string]any{"lora_name": name})
	switch {
	case err != nil || denied == nil:
		return err
	case denied.status == http.StatusNotFound && strings.Contains(denied.message, "cannot be found"),
		denied.status == http.StatusBadRequest && strings.Contains(denied.message, "cannot be found"):
		return nil
	}
	return s.refused(LoadRequest{Name: name}, denied)
}

// post makes one call. An error means that there was denied response.
func (s *Server) post(ctx context.Context, name, route string, body any) (*refusal, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, s.fault(fault.Input, name, "", err)
	}
	limited, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodPost, s.options.URL+route, bytes.NewReader(text))
	if err != nil {
		return nil, s.fault(fault.Input, name, "invalid server URL", nil)
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
	message, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, s.unanswered(ctx, limited, name, err)
	}
	if response.StatusCode == http.StatusOK {
		return nil, nil //nolint:nilnil // accepted
	}
	return &refusal{
		status: response.StatusCode, message: s.message(message),
		retryAfter: answer.RetryAfter(response.Header.Get("Retry-After"), time.Now()),
	}, nil
}

func (s *Server) unanswered(ctx, limited context.Context, name string, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return s.fault(fault.Transport, name, "denied response from the server within "+s.options.Timeout.String(), answer.ErrTimeout)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL
	}
	return s.fault(fault.Transport, name, "", err)
}

// advice returns what to do about a message of vLLM, for any status, because the statuses
// differ between versions.
func advice(r LoadRequest, denied *refusal) string {
	has := func(text string) bool { return strings.Contains(denied.message, text) }
	switch {
	case has("max_lora_rank"):
		return "start the server with a larger --max-lora-rank, or train with a smaller lora.r"
	case has("LoRA is not enabled"):
		return "start the server with --enable-lora"
	case has("No adapter found"), has("No such file"):
		return fmt.Sprintf("the server does not have the folder %q; mount the adapters there, or give the folder's path on the server", r.ServerDir)
	case has("modules_to_save"), has("DoRA"):
		return "serve the merged weights current (merge: true)"
	case has("target modules"), has("unsupported LoRA weight"):
		return "train only layers that the server can adapt (lora.target_modules)"
	case (denied.status == http.StatusNotFound || denied.status == http.StatusMethodNotAllowed) && !has("adapter"):
		return "the server does not load adapters at run time; start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and --enable-lora"
	}
	return ""
}

// refused classifies a refusal.
func (s *Server) refused(r LoadRequest, denied *refusal) error {
	f := s.fault(fault.Input, r.Name, fmt.Sprintf("status %d: %s", denied.status, denied.message), nil)
	f.RetryAfter = denied.retryAfter
	if what := advice(r, denied); what != "" {
		f.Reason += "; " + what
		return f
	}
	f.Class = fault.StatusClass(denied.status)
	switch code := denied.status; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		f.Reason = fmt.Sprintf("status %d: the key is refused or missing", code) // the message may repeat the key
		if s.options.KeyVariable != "" {
			f.Reason += "; check " + s.options.KeyVariable
		}
	case code >= 300 && code < 400:
		f.Reason += "; redirects are not followed: configure the URL that they lead to"
	}
	return f
}

// fault makes a fault.Error without the key, which a server may repeat in its message.
func (s *Server) fault(class fault.Class, subject, reason string, err error) *fault.Error {
	return &fault.Error{
		Class: class, Op: op, Subject: subject, Reason: s.options.Redactor.Text(reason), Err: s.options.Redactor.Error(err),
	}
}

// explain returns the fault that the library wrapped, or classifies the library's error.
func explain(name string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.Wrap(fault.Transport, op, name, err)
}

// message extracts the server's message: vLLM's {"error": {"message"}} and, before
// 0.11, {"object": "error", "message"}; FastAPI's {"detail"}.
func (s *Server) message(body []byte) string {
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
