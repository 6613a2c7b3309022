package uploads

import (
	"encoding/base64"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

const (
	maxName = 255 // bytes, as file systems have it
	digits  = 64  // of a SHA-256
)

// declared reads a declaration: a JSON document, or the headers of tus.
func declared(r *http.Request) (d Declaration, err error) {
	if length := r.Header.Get(headLength); length != "" {
		d.Size, err = strconv.ParseInt(length, 10, 64)
		if err != nil {
			return d, api.BadField(headLength, "must be a number of bytes")
		}
		meta, err := metadata(r.Header.Get("Upload-Metadata"))
		d.Name, d.SHA256 = meta["filename"], meta["sha256"]
		return d, err
	}
	return d, api.Decode(r, &d)
}

// metadata reads pairs of a name and a value in base64, as tus writes them.
func metadata(header string) (map[string]string, error) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		text, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, api.BadField("Upload-Metadata", "must be names and values in base64")
		}
		out[name] = string(text)
	}
	return out, nil
}

// check refuses what no file has. A name is shown and is the end of a URI; it never is a path.
func (d *Declaration) check(most int64) error {
	d.SHA256 = strings.ToLower(d.SHA256)
	switch {
	case d.Name == "" || len(d.Name) > maxName || !utf8.ValidString(d.Name) || strings.ContainsFunc(d.Name, steers):
		return api.BadField("name", "must be a file name of 1 to 255 bytes without control characters")
	case d.Name != path.Base(d.Name) || strings.ContainsAny(d.Name, `/\`) || d.Name == "." || d.Name == "..":
		return api.BadField("name", "must be a file name without a folder")
	case len(d.SHA256) != digits || strings.Trim(d.SHA256, "0123456789abcdef") != "":
		return api.BadField("sha256", "must be the SHA-256 of the file, 64 hexadecimal digits")
	case d.Size < 0:
		return api.BadField("size", "must be the number of bytes of the file")
	case d.Size > most:
		return tooLarge(most)
	}
	return nil
}

// steers reports whether a character changes how a name is shown: it breaks the line, or reverses what
// follows, so that a program looks like a video.
func steers(r rune) bool {
	return unicode.IsControl(r) || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

func tooLarge(most int64) error {
	return &api.Error{
		Status: http.StatusRequestEntityTooLarge, Code: "file_too_large", Param: "size",
		Message: "the file is larger than the gateway takes, which is " + number(most) + " bytes",
	}
}

// offsetOf is where a piece begins; a PUT without the header brings the whole file.
func offsetOf(r *http.Request) (int64, error) {
	text := r.Header.Get(headOffset)
	if text == "" && r.Method == http.MethodPut {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, api.BadField(headOffset, "must be the number of bytes that are stored")
	}
	return n, nil
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func setState(h http.Header, u Upload) {
	h.Set(headResumable, version)
	h.Set(headOffset, number(u.Offset))
	h.Set(headLength, number(u.Size))
	if u.URI != "" {
		h.Set("Upload-URI", u.URI)
	}
}
