// Package image has the images of rows and demos: DSPy's dspy.Image, checked before a model is
// asked. An image is either data in the row or the URL of a remote image, which is passed on
// and never opened. The package does not depend on fields, prompts or models.
package image

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

// DSPy writes an image in a text between these marks, also in the files that it saves.
const (
	startMark = "<<CUSTOM-TYPE-START-IDENTIFIER>>"
	endMark   = "<<CUSTOM-TYPE-END-IDENTIFIER>>"
)

// Image is a checked image. Make one with Of.
type Image struct {
	url           string
	width, height int // 0 = unknown, of a remote image
	bytes         int
}

// URL is the data URI, or the URL of a remote image.
func (i Image) URL() string { return i.url }

// Bytes is the size of the image data; 0 = remote.
func (i Image) Bytes() int { return i.bytes }

// Data is the content of the image; ok is false for a remote one.
func (i Image) Data() (data []byte, ok bool) {
	_, encoded, found := strings.Cut(i.url, ";base64,")
	if !found || i.bytes == 0 {
		return nil, false
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	return data, err == nil
}

// Text is str(image) in DSPy, and the image in its files.
func (i Image) Text() string {
	content := python.NewObject("type", "image_url", "image_url", python.NewObject("url", i.url))
	return startMark + python.Dumps([]any{content}) + endMark
}

// Repr is repr(image) in DSPy, which has no image data.
func (i Image) Repr() string {
	head, data, ok := strings.Cut(i.url, "base64,")
	if !ok {
		return "Image(url='" + i.url + "')"
	}
	data, _, _ = strings.Cut(data, "base64,")
	kind, _, _ := strings.Cut(head, ";")
	kind = kind[strings.LastIndexByte(kind, '/')+1:]
	return fmt.Sprintf("Image(url=data:image/%s;base64,<IMAGE_BASE_64_ENCODED(%d)>)", kind, len(data))
}

// Of reads and checks an image in the forms that dspy.Image takes: a data URI, an http, https or
// gs URL, {"url": …} with one of them, and the text that DSPy saves.
func Of(v any) (Image, error) {
	switch x := v.(type) {
	case Image:
		return x, nil
	case *python.Object:
		if address, ok := x.Get("url"); ok && x.Len() == 1 {
			if text, isText := address.(string); isText {
				return ofURL(text)
			}
		}
	case string:
		if payload, ok := strings.CutPrefix(x, startMark); ok {
			return ofMarks(payload)
		}
		return ofURL(x)
	}
	return Image{}, errors.New(`an image must be a data URI, an http, https or gs URL, or {"url": …}`)
}

// Marked reports whether a text is an image in a file of DSPy.
func Marked(text string) bool { return strings.Contains(text, startMark) }

// ofMarks reads the text of an image in a file of DSPy.
func ofMarks(text string) (Image, error) {
	bad := errors.New("the text between DSPy's marks is not one image")
	payload, ok := strings.CutSuffix(text, endMark)
	if !ok {
		return Image{}, bad
	}
	v, err := python.Decode(payload)
	if err != nil {
		return Image{}, bad
	}
	list, _ := v.([]any)
	if len(list) != 1 {
		return Image{}, bad
	}
	content, _ := list[0].(*python.Object)
	kind, _ := content.Get("type")
	inner, _ := content.Get("image_url")
	object, _ := inner.(*python.Object)
	address, _ := object.Get("url")
	found, isText := address.(string)
	if kind != any("image_url") || !isText {
		return Image{}, bad
	}
	return ofURL(found)
}

const maxURL = 8192 // bytes of a remote image's URL

func ofURL(text string) (Image, error) {
	if strings.HasPrefix(text, "data:") {
		return ofData(text)
	}
	address, err := url.Parse(text)
	switch {
	case err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" && address.Scheme != "gs":
		return Image{}, errors.New("an image must be a data URI or an http, https or gs URL; local files are read with {\"uri\": …} in a row")
	case len(text) > maxURL:
		return Image{}, fmt.Errorf("the image's URL has %d bytes; at most %d are supported", len(text), maxURL)
	case address.User != nil:
		return Image{}, errors.New("the image's URL has a user name or a password, which would be stored and sent to the model; use a URL without them")
	case strings.ContainsAny(text, " \t\r\n"):
		return Image{}, errors.New("the image's URL has spaces")
	}
	return Image{url: text}, nil
}

// Describe replaces every image in a value by its description, for people and for models that
// are not shown the image.
func Describe(v any) any {
	switch x := v.(type) {
	case Image:
		return x.Repr()
	case []any:
		list := make([]any, len(x))
		for i, item := range x {
			list[i] = Describe(item)
		}
		return list
	case *python.Object:
		if !Holds(x) {
			return x
		}
		return DescribeAll(x)
	}
	return v
}

// DescribeAll is Describe of all members of an object.
func DescribeAll(o *python.Object) *python.Object {
	described := &python.Object{}
	for _, k := range o.Keys() {
		member, _ := o.Get(k)
		described.Set(k, Describe(member))
	}
	return described
}

// Holds reports whether a value is an image or contains one.
func Holds(v any) bool { return len(In(v)) > 0 }

// In lists the images of a value, in order.
func In(v any) (found []Image) {
	switch x := v.(type) {
	case Image:
		return []Image{x}
	case []any:
		for _, item := range x {
			found = append(found, In(item)...)
		}
	case *python.Object:
		for _, k := range x.Keys() {
			member, _ := x.Get(k)
			found = append(found, In(member)...)
		}
	}
	return found
}

var encoded = regexp.MustCompile(`;base64,[A-Za-z0-9+/]+=*`)

// EncodedBytes is the size of the image data in a text.
func EncodedBytes(text []byte) (n int) {
	for _, place := range encoded.FindAllIndex(text, -1) {
		n += place[1] - place[0]
	}
	return n
}
