package upstream

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/money"
)

// maxField limits a field of a form that is not a file.
const maxField = 64 << 10

// formPart is one part of a form.
type formPart struct {
	name string
	head map[string][]string
	data []byte
}

// ReadForm reads a request whose body is a form with a file.
func ReadForm(u Use, body []byte, media, bound string) (*Request, error) {
	kind, params, err := mime.ParseMediaType(media)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, api.Fail(http.StatusUnsupportedMediaType, "invalid_media_type", "the body must be multipart/form-data")
	}
	parts, err := split(body, params["boundary"])
	if err != nil {
		return nil, err
	}
	var model *string
	files := 0
	for _, p := range parts {
		for _, known := range append(deciding, "file") {
			if p.name != known && strings.EqualFold(p.name, known) {
				return nil, api.BadField(p.name, "write the name as "+known)
			}
		}
		switch p.name {
		case "model":
			if model != nil {
				return nil, api.BadField("model", "the field is given twice")
			}
			text := string(p.data)
			model = &text
		case "file":
			files++
		case "stream":
			if string(p.data) != "false" {
				return nil, api.BadField("stream", "a transcription is not streamed; leave it out")
			}
		}
	}
	if files != 1 {
		return nil, api.BadField("file", "exactly one file is required")
	}
	q := &Request{Use: u, tokens: money.Request{Input: len(body), MaxInput: len(body), MaxOutput: len(body)}}
	if q.Model, err = chosen(model, bound); err != nil {
		return nil, err
	}
	q.body = func(name string) ([]byte, string, error) {
		if model != nil && *model == name {
			return body, media, nil
		}
		return join(parts, name)
	}
	return q, nil
}

func split(body []byte, boundary string) (parts []formPart, err error) {
	bad := func(err error) error {
		return &api.Error{Status: http.StatusBadRequest, Code: "invalid_form", Message: "the form cannot be read", Err: err}
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, bad(err)
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return nil, bad(err)
		}
		if p.FileName() == "" && len(data) > maxField {
			return nil, api.BadField(p.FormName(), "the field is too long")
		}
		parts = append(parts, formPart{p.FormName(), p.Header, data})
	}
}

// join is the form with another model.
func join(parts []formPart, model string) ([]byte, string, error) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	err := w.WriteField("model", model)
	for _, p := range slices.DeleteFunc(slices.Clone(parts), func(p formPart) bool { return p.name == "model" }) {
		part, partErr := w.CreatePart(p.head)
		if partErr == nil {
			_, partErr = part.Write(p.data)
		}
		err = errors.Join(err, partErr)
	}
	return out.Bytes(), w.FormDataContentType(), errors.Join(err, w.Close())
}
