package source

import (
	"context"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/fetch"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/tenant"
)

const schemeUpload = "upload"

// location is a parsed s3://, https:// or upload:// URI.
type location struct {
	scheme string
	host   string // or bucket
	path   string // decoded, without the slash at its start
	query  string // of a URL; may hold a secret
}

// parseRemote reports whether uri is remote, and parses it. A user cannot choose the S3
// endpoint, because the worker would send its credentials to it.
func parseRemote(op, uri string) (at location, remote bool, err error) {
	m := scheme.FindStringSubmatch(uri)
	if m == nil || !slices.Contains([]string{"s3", "https", "http", schemeUpload}, strings.ToLower(m[1])) {
		return location{}, false, nil
	}
	u, err := url.Parse(uri)
	if err != nil {
		return location{}, false, fault.New(fault.Input, op, "", "not a URI; write special characters as %XX")
	}
	bad := func(reason string) (location, bool, error) {
		return location{}, false, fault.New(fault.Input, op, fetch.Printable(u), reason)
	}
	at = location{scheme: u.Scheme, host: strings.ToLower(u.Host), path: strings.TrimPrefix(u.Path, "/"), query: u.RawQuery}
	elements := strings.Split(at.path, "/")
	switch {
	case u.User != nil:
		return bad("a URI must not hold a user name or password")
	case u.Fragment != "" || u.Opaque != "":
		return bad("write '#' as %23")
	case slices.Contains(elements, ".") || slices.Contains(elements, "..") || strings.ContainsAny(at.path, "\\\x00"):
		return bad(`the path holds ".", "..", a backslash or NUL`)
	}
	if at.scheme == schemeUpload {
		return at, true, at.checkUpload(op)
	}
	if at.scheme != "s3" {
		if u.RawPath != "" && strings.Contains(strings.ToLower(u.RawPath), "%2f") {
			return bad("the path holds an encoded slash")
		}
		return at, true, nil
	}
	if u.RawQuery != "" || u.ForceQuery {
		return bad("write '?' as %3F; how S3 is reached is part of the worker's configuration")
	}
	if _, err := s3.Parse(uri); err != nil {
		return location{}, false, err
	}
	return at, true, nil
}

// uri returns a URI from which parseRemote reads the same location.
func (l location) uri() string {
	return (&url.URL{Scheme: l.scheme, Host: l.host, Path: "/" + l.path, RawQuery: l.query}).String()
}

// String omits the query, for messages and errors.
func (l location) String() string {
	return (&url.URL{Scheme: l.scheme, Host: l.host, Path: "/" + l.path}).String()
}

func (l location) base() string { return path.Base("/" + l.path) }

func (l location) extension() string { return strings.ToLower(path.Ext(l.base())) }

// holds reports whether other is equal to l or below it.
func (l location) holds(other location) bool {
	root := strings.TrimSuffix(l.path, "/")
	return l.scheme == other.scheme && l.host == other.host &&
		(root == "" || other.path == root || strings.HasPrefix(other.path, root+"/"))
}

// permit refuses a location that the tenant may not read.
func (s *Sources) permit(op string, t tenant.ID, at location) error {
	if at.scheme == schemeUpload { // its key begins with the tenant
		return nil
	}
	if err := s.own.checkObject(op, at); err != nil {
		return err
	}
	if len(s.config.Roots) == 0 {
		if !s.config.AnyLocal {
			return fault.New(fault.Input, op, at.String(), "no remote sources are configured; set "+configKey)
		}
		return nil
	}
	for _, root := range s.remote[t] {
		if root.holds(at) {
			return nil
		}
	}
	return fault.New(fault.Input, op, at.String(),
		"it is outside the configured sources of tenant "+string(t)+"; move it there or add its prefix to "+configKey)
}

// listRemote is List for remote sources.
func (s *Sources) listRemote(ctx context.Context, t tenant.ID, at location, recursive bool, yield func(uri string) error) (skipped int, err error) {
	const op = "list source"
	if err := s.permit(op, t, at); err != nil {
		return 0, err
	}
	directory := at.path == "" || strings.HasSuffix(at.path, "/")
	if !directory && at.scheme == "s3" && at.extension() == "" {
		exists, err := s.s3.exists(ctx, op, at)
		if err != nil {
			return 0, err
		}
		if directory = !exists; directory {
			at.path += "/"
		}
	}
	switch {
	case directory && at.scheme != "s3":
		return 0, fault.New(fault.Input, op, at.String(), "a web server has no listing; name a video or a manifest")
	case directory:
		return s.s3.list(ctx, at, recursive, yield)
	case isMedia(at.extension()):
		return 0, yield(at.uri())
	case !slices.Contains(manifestExtensions, at.extension()):
		return 0, fault.New(fault.Input, op, at.String(), "must be a prefix that ends in a slash, a video ("+
			strings.Join(videoExtensions, " ")+") or a manifest (.txt .list .lst .manifest)")
	}
	f, err := s.download(ctx, op, t, at, maxManifest)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return 0, readManifest(ctx, f, at.String(), at.resolveLine, yield)
}

// resolveLine resolves a line of a manifest: in a bucket it is a key, on a web server a
// reference by RFC 3986. A remote manifest must not name local files: its author may not
// be the user who started the job.
func (l location) resolveLine(line string) (string, error) {
	const op = "read manifest"
	switch m := scheme.FindStringSubmatch(line); {
	case m != nil && strings.EqualFold(m[1]+m[2], "file"), m == nil && strings.HasPrefix(line, "/"):
		return "", fault.New(fault.Input, op, line, "a manifest in "+l.scheme+":// must not name local files")
	case m != nil:
		return line, nil
	case l.scheme == schemeUpload:
		return "", fault.New(fault.Input, op, line, "a manifest that was uploaded must name upload://, https:// or s3:// URIs")
	}
	if l.scheme == "s3" {
		l.path = path.Join(path.Dir("/"+l.path), line)[1:]
		return l.uri(), nil
	}
	reference, err := url.Parse(line)
	if err != nil {
		return "", fault.New(fault.Input, op, "", "not a URL; write special characters as %XX")
	}
	if reference.Scheme != "" || reference.Opaque != "" { // such as x:a, which is no reference to this server
		return "", fault.New(fault.Input, op, line, "must be a reference without a scheme, or a URL that begins with https:// or s3://")
	}
	base := url.URL{Scheme: l.scheme, Host: l.host, Path: "/" + l.path}
	return base.ResolveReference(reference).String(), nil
}
