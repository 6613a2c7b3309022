package blob

import (
	"strings"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/fault"
)

const (
	maxKey     = 1024 // bytes; the limit of S3
	maxElement = 255  // bytes; the limit of most file systems
	tempDir    = ".tmp"
)

// CheckKey refuses keys that some store cannot hold or that could lead out of it. A key has
// non-empty slash-separated elements of at most 255 bytes of UTF-8, 1024 in total, none of
// them ".", ".." or starting with ".tmp", no backslash and no NUL.
func CheckKey(key string) error {
	if key == "" {
		return badKey(key, "empty")
	}
	return checkElements(key, strings.Split(key, "/"))
}

// checkPrefix is CheckKey for the start of a key: its last element may be truncated
// anywhere, also to nothing.
func checkPrefix(prefix string) error {
	elements := strings.Split(prefix, "/")
	if elements[len(elements)-1] == "" {
		elements = elements[:len(elements)-1]
	}
	return checkElements(prefix, elements)
}

func checkElements(key string, elements []string) error {
	switch {
	case len(key) > maxKey:
		return badKey(key, "longer than 1024 bytes")
	case !utf8.ValidString(key):
		return badKey(key, "not UTF-8")
	case strings.ContainsAny(key, "\\\x00"):
		return badKey(key, "holds a backslash or NUL")
	}
	for _, e := range elements {
		switch {
		case e == "":
			return badKey(key, "an element is empty")
		case e == "." || e == "..":
			return badKey(key, `an element is "." or ".."`)
		case strings.HasPrefix(e, tempDir):
			return badKey(key, `an element starts with ".tmp"`)
		case len(e) > maxElement:
			return badKey(key, "an element is longer than 255 bytes")
		}
	}
	return nil
}

func badKey(key, reason string) error {
	return fault.New(fault.Input, "check object key", key, reason)
}
