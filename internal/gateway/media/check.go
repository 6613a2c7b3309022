package media

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/safetext"
)

// MaxPixels is the usual limit of an image.
const MaxPixels = 1 << 26

// perRequest is how many images of the largest size a request may have. A thousand small files can
// be a thousand large images.
const perRequest = 4

// dangerous are fields that make known servers open a connection, execute a template or code, or
// load tensors, which their libraries do not do safely. Servers may read names in any case.
var dangerous = []string{ //nolint:gochecknoglobals // a constant
	"prompt_embeds", "kv_transfer_params", "bootstrap_host", "bootstrap_port", "bootstrap_room", "custom_logit_processor", "chat_template",
	"media_io_kwargs", "image_data", "video_data", "audio_data", "input_embeds", "lora_path", "data",
}

// known are fields of messages and requests that hold media, or parts with media.
var known = []string{"messages", "content", "images", "input", "image", "video", "videos", "audio"} //nolint:gochecknoglobals // a constant

// parts are the fields that a part of a content may have. What others name, a server might open, or
// find in the cache of another tenant (uuid).
var parts = []string{ //nolint:gochecknoglobals // a constant
	"type", "text", "image_url", "input_audio", "audio_url", "refusal", "thinking", "reasoning", "signature", "cache_control", "id", "name",
}

// Check refuses a request that shows a model anything but texts, images within the limit of pixels
// and sound, all of them in the request itself. body is a JSON object that was checked to be valid,
// with no name twice. maxPixels 0 is MaxPixels. file is the field that the route defines as the content
// of a file in base64; "" = none. The error is for the caller.
func Check(body []byte, maxPixels int, file string) error {
	c := newCheck(maxPixels)
	return members(body, func(name string, value []byte) error {
		if err := cmp.Or(exact(name, known...), exact(name, file)); err != nil {
			return err
		}
		switch {
		case slices.ContainsFunc(dangerous, func(d string) bool { return strings.EqualFold(d, name) }):
			if !null(value) {
				return bad(name, "the field is not supported: it could make the model server open a connection, or execute code")
			}
		case name == file:
			return encoded(name, value)
		case name == "messages":
			return items(value, c.message)
		case name == "images":
			return items(value, c.plain)
		case name == "image", name == "video", name == "videos", name == "audio":
			if value[0] == '"' || value[0] == '[' { // an object describes the sound of the answer
				return bad(name, "the field is not supported; put media into messages")
			}
		case name == "input":
			return c.input(value)
		}
		return nil
	})
}

type check struct {
	most, total int
}

func newCheck(maxPixels int) *check { return &check{most: cmp.Or(maxPixels, MaxPixels)} }

func (c *check) message(value []byte) error {
	if value[0] != '{' {
		return nil // the server refuses it
	}
	return members(value, func(name string, value []byte) error {
		if err := exact(name, known...); err != nil {
			return err
		}
		switch name {
		case "content":
			return c.content(value)
		case "images", "image", "video", "videos", "image_url":
			if !null(value) {
				return bad("messages", "put images into content, as parts of the type image_url")
			}
		}
		return nil
	})
}

// content is a text or a list of parts.
func (c *check) content(value []byte) error {
	switch value[0] {
	case '[':
		return items(value, c.content)
	case '{':
		return members(value, c.part)
	}
	return nil
}

// part is a field of a part.
func (c *check) part(name string, value []byte) error {
	if !slices.Contains(parts, name) {
		if null(value) {
			return nil
		}
		return bad("messages", "a part with "+quote(name)+" is not supported: a model server could open what it names; send texts, image_url with a data: URL, or input_audio")
	}
	switch name {
	case "image_url":
		return c.linked(value, c.image)
	case "audio_url":
		return c.linked(value, c.sound)
	case "input_audio":
		return flat("input_audio", value, "data", "format")
	case "text", "type", "refusal":
		if value[0] != '"' && !null(value) {
			return bad("messages", name+" of a part must be a string")
		}
	}
	return nil
}

// linked reads a URL: a text, or an object with url.
func (c *check) linked(value []byte, read func(text string) error) error {
	if value[0] == '"' {
		text, err := unquote(value)
		if err != nil {
			return err
		}
		return read(text)
	}
	if err := flat("image_url", value, "url", "detail", "format"); err != nil {
		return err
	}
	if value[0] != '{' {
		return nil
	}
	return members(value, func(name string, value []byte) error {
		if name != "url" || null(value) {
			return nil
		}
		text, err := unquote(value)
		if err != nil {
			return err
		}
		return read(text)
	})
}

// flat refuses an object with texts in other fields than these.
func flat(param string, value []byte, names ...string) error {
	if value[0] != '{' {
		if null(value) {
			return nil
		}
		return bad(param, "must be an object")
	}
	return members(value, func(name string, value []byte) error {
		if strings.IndexByte(`"{[`, value[0]) >= 0 && (!slices.Contains(names, name) || value[0] != '"') {
			return bad(param, "the field "+quote(name)+" is not supported")
		}
		return nil
	})
}

func (c *check) image(url string) error {
	const prefix = "data:"
	if len(url) < len(prefix) || !strings.EqualFold(url[:len(prefix)], prefix) {
		return bad("image_url", "only data: URLs are supported, because neither the gateway nor a model server opens addresses or files of a request; send data:image/jpeg;base64,…")
	}
	head, encoded, ok := strings.Cut(url[len(prefix):], ",")
	head = strings.ToLower(head)
	if !ok || !strings.HasPrefix(head, "image/") || !strings.HasSuffix(head, ";base64") {
		return bad("image_url", "a data: URL must begin with data:image/…;base64,")
	}
	return c.measure("image_url", encoded)
}

func (c *check) sound(url string) error {
	if !strings.HasPrefix(url, "data:audio/") {
		return bad("audio_url", "only data:audio/ URLs are supported")
	}
	return nil
}

// plain is an image of the list images: base64, or a data: URL.
func (c *check) plain(value []byte) error {
	if value[0] != '"' {
		return bad("images", "each image must be a string in base64")
	}
	text, err := unquote(value)
	if err != nil {
		return err
	}
	if strings.HasPrefix(text, "data:") {
		return c.image(text)
	}
	return c.measure("images", text)
}

// input is a text, a list of texts or of tokens, or of objects with media, which are parts.
func (c *check) input(value []byte) error {
	switch value[0] {
	case '[':
		return items(value, c.input)
	case '{':
		return members(value, c.part)
	}
	return nil
}

// encoded refuses what is no content in base64: a server might open what it names.
func encoded(param string, value []byte) error {
	const want = "must be the content of a file in base64, not its name or address"
	if value[0] != '"' {
		return bad(param, want)
	}
	text, err := unquote(value)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))); err != nil {
		return bad(param, want)
	}
	return nil
}

// measure decodes as much of an image as its size needs.
func (c *check) measure(param, encoded string) error {
	_, width, height, err := Size(base64.NewDecoder(base64.StdEncoding, strings.NewReader(encoded)))
	if err != nil {
		return bad(param, "the image cannot be read: "+err.Error())
	}
	return c.count(param, width, height)
}

func (c *check) count(param string, width, height int) error {
	if width > c.most/height {
		return bad(param, fmt.Sprintf("the image has %d × %d pixels; at most %d pixels are supported", width, height, c.most))
	}
	if c.total += width * height; c.total > perRequest*c.most {
		return bad(param, fmt.Sprintf("the images of the request have more than %d pixels together", perRequest*c.most))
	}
	return nil
}

// Picture is the data: URL of an image in base64, whose size is checked.
func Picture(param, encoded string, maxPixels int) (url string, err error) {
	kind, _, err := Measure(param, base64.NewDecoder(base64.StdEncoding, strings.NewReader(encoded)), maxPixels)
	return "data:" + kind + ";base64," + encoded, err
}

// Measure is the kind of an image and its number of pixels, which is checked.
func Measure(param string, from io.Reader, maxPixels int) (kind string, pixels int, err error) {
	kind, width, height, err := Size(from)
	if err != nil {
		return "", 0, bad(param, "the image cannot be read: "+err.Error())
	}
	return kind, width * height, newCheck(maxPixels).count(param, width, height)
}

// exact refuses a name that differs from a known one in case only: a server might read it.
func exact(name string, known ...string) error {
	for _, k := range known {
		if name != k && strings.EqualFold(name, k) {
			return bad(name, "write the name as "+k)
		}
	}
	return nil
}

func bad(param, reason string) error {
	return api.BadField(safetext.Line(param, safetext.MaxReason), reason)
}

func quote(text string) string { return fmt.Sprintf("%q", safetext.Line(text, safetext.MaxReason)) }

func null(value []byte) bool { return string(value) == "null" }

func unquote(value []byte) (text string, err error) {
	if value[0] != '"' {
		return "", bad("messages", "a URL must be a string")
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), nil
	}
	err = json.Unmarshal(value, &text)
	return text, err
}

// errEnd cannot happen in a valid document.
var errEnd = fmt.Errorf("read request: %w", io.ErrUnexpectedEOF)
