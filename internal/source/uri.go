package source

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/fault"
)

var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://|^(file):/`)

// parse returns the absolute path of a file:// URI or a path, with the same bytes.
// A relative path starts at the working directory of the worker.
func parse(op, uri string) (string, error) {
	bad := func(reason string) error { return fault.New(fault.Input, op, uri, reason) }
	path := uri
	if m := scheme.FindStringSubmatch(uri); m != nil {
		if !strings.EqualFold(m[1]+m[2], "file") {
			return "", bad(printable(m[1]) + ":// is not supported; must be a path, file://, s3:// or https://")
		}
		u, err := url.Parse(uri)
		switch {
		case err != nil:
			return "", bad("not a URI; write special characters as %XX")
		case u.Host != "" && u.Host != "localhost":
			return "", bad("must be file:///absolute/path, with three slashes")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			return "", bad("write '?' as %3F and '#' as %23")
		}
		if path = u.Path; !filepath.IsAbs(path) {
			return "", bad("must be file:///absolute/path")
		}
	}
	if path == "" || strings.ContainsRune(path, 0) {
		return "", bad("must be a path or a file:// URI")
	}
	path, err := filepath.Abs(path)
	return path, fault.Wrap(fault.Input, op, uri, err)
}

// toURI returns the file:// URI of an absolute path, from which parse returns the same
// bytes.
func toURI(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// printable replaces characters that would break a line, a terminal or JSON.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(name, string(unicode.ReplacementChar)))
}
