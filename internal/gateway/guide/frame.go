package guide

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/media"
	"github.com/cogniverse/cogflow/internal/gateway/upstream"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Frame is the request of /generate_description. The first of remote_frame_path, frame_path and
// frame_base64 counts, as in the original.
type Frame struct {
	RemoteFramePath string `json:"remote_frame_path,omitempty" jsonschema:"as frame_path"`
	FramePath       string `json:"frame_path,omitempty" jsonschema:"key of an object of the tenant, like videos/ID/frames/FINGERPRINT/1000.jpg; never a path of a server"`
	FrameBase64     string `json:"frame_base64,omitempty" jsonschema:"content of a PNG, JPEG, GIF or WebP file"`
	Prompt          string `json:"prompt,omitempty"`
	Model           string `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
}

// Description is the answer of /generate_description.
type Description struct {
	Description string  `json:"description"`
	RequestID   string  `json:"request_id"`
	Seconds     float64 `json:"duration_seconds"`
}

const (
	maxFrame    = 32 << 20 // bytes
	temperature = 0.2      // of Cogniverse's client of OpenAI's API; its VLM service had none of its own
)

func (a *API) describe(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	began := time.Now()
	text, err := a.described(r, c)
	if err != nil {
		return told(w, c, err, failure{RequestID: c.Request})
	}
	api.WriteJSON(w, http.StatusOK, Description{Description: text, RequestID: c.Request, Seconds: seconds(began)})
	return nil
}

func (a *API) described(r *http.Request, c api.Caller) (string, error) {
	data, err := api.ReadJSON(r)
	if err != nil {
		return "", err
	}
	var f Frame
	if err := strictjson.Unmarshal(data, &f); err != nil {
		return "", api.Fail(http.StatusBadRequest, "invalid_json", "the body must be one JSON object: "+err.Error())
	}
	param, encoded, err := a.picture(r.Context(), c.Tenant, f)
	if err != nil {
		return "", err
	}
	url, err := media.Picture(param, encoded, c.MaxPixels)
	if err != nil {
		return "", err
	}
	return a.caption(r.Context(), c, f, url)
}

// picture is the content of the frame, in base64, and the field that it comes from.
func (a *API) picture(ctx context.Context, t tenant.ID, f Frame) (param, encoded string, err error) {
	for _, path := range []struct{ name, key string }{{"remote_frame_path", f.RemoteFramePath}, {"frame_path", f.FramePath}} {
		if path.key != "" {
			data, err := a.stored(ctx, t, path.name, path.key)
			return path.name, base64.StdEncoding.EncodeToString(data), err
		}
	}
	if f.FrameBase64 == "" {
		return "", "", api.BadField("frame_base64", "No frame_path, remote_frame_path, or frame_base64 provided in request")
	}
	return "frame_base64", strings.NewReplacer("\r", "", "\n", "").Replace(f.FrameBase64), nil // some encoders break lines
}

// stored reads a frame of the tenant. Whatever a key names, it is below the tenant's prefix. All
// keys without an object have one answer, and it is not 404, which means to Cogniverse's callers
// that the service does not exist.
func (a *API) stored(ctx context.Context, t tenant.ID, param, key string) ([]byte, error) {
	bad := func(reason string) error {
		return api.BadField(param, param+" "+strconv.Quote(safetext.Line(key, safetext.MaxReason))+": "+reason)
	}
	if !fs.ValidPath(key) || key == "." || strings.ContainsAny(key, "\\\x00") {
		return nil, bad("must be the key of an object, like videos/ID/frames/FINGERPRINT/1000.jpg")
	}
	store, err := a.Store(ctx)
	if err != nil {
		return nil, err
	}
	r, info, err := store.Get(ctx, string(t)+"/"+strings.TrimPrefix(key, string(t)+"/"))
	if errors.Is(err, object.ErrNotFound) {
		return nil, bad("the tenant has no such object")
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if info.Size > maxFrame {
		return nil, bad("the object is larger than 32 MiB")
	}
	return io.ReadAll(r)
}

// caption asks the model for a description.
func (a *API) caption(ctx context.Context, c api.Caller, f Frame, url string) (string, error) {
	type part struct {
		Type  string            `json:"type"`
		Text  string            `json:"text,omitempty"`
		Image map[string]string `json:"image_url,omitempty"`
	}
	body := map[string]json.RawMessage{}
	for name, value := range map[string]any{
		"messages": []any{map[string]any{"role": "user", "content": []part{
			{Type: "image_url", Image: map[string]string{"url": url}},
			{Type: "text", Text: cmp.Or(f.Prompt, video.DescribePrompt)},
		}}},
		"max_tokens": video.DescribeMaxTokens, "temperature": temperature,
	} {
		if err := set(body, name, value); err != nil {
			return "", err
		}
	}
	if f.Model != "" {
		if err := set(body, "model", f.Model); err != nil {
			return "", err
		}
	}
	_, answer, err := a.call(ctx, c, upstream.Chat, body)
	if err != nil {
		return "", err
	}
	var said struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
	}
	if json.Unmarshal(answer, &said) != nil || len(said.Choices) == 0 || strings.TrimSpace(said.Choices[0].Message.Content) == "" {
		return "", api.Fail(http.StatusBadGateway, "upstream_failed", "the model server answered no description")
	}
	return said.Choices[0].Message.Content, nil
}
