// Package s3 reaches the buckets of Amazon S3 and of servers that speak its protocol:
// it parses their URLs, makes the client and classifies its errors. It does not know
// what the objects contain.
package s3

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// Place is a bucket, or the part of it below a prefix, and how to reach it.
type Place struct {
	Bucket    string
	Prefix    string // without a slash at the start; empty = the whole bucket
	Region    string // empty = AWS_REGION or the profile's
	Endpoint  string // http://host:port of a server; empty = Amazon
	PathStyle bool   // the bucket is in the path, not in the host's name

	Stall  time.Duration // without a byte of a request's body; then it counts as broken; 0 = 1 min
	Answer time.Duration // for the response headers to arrive; 0 = 2 min
}

// bucketName is Amazon's rule. It also prevents a bucket name from naming
// another host: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

const parseOp = "read S3 URL"

// Parse reads s3://bucket/prefix?region=…&endpoint=…&path_style=true. There are
// no parameters for credentials: they come from the usual chain of the AWS SDK
// (environment, profile, role). Errors do not repeat the query.
func Parse(rawURL string) (Place, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Place{}, fault.New(fault.Input, parseOp, "", "not a URL; write special characters as %XX")
	}
	bad := func(reason string) error {
		return fault.New(fault.Input, parseOp, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), reason)
	}
	switch {
	case u.Scheme != "s3":
		return Place{}, bad("must be s3://bucket/prefix")
	case u.User != nil:
		return Place{}, bad("credentials do not belong in a URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
	case u.Fragment != "" || u.Opaque != "":
		return Place{}, bad("write '?' as %3F and '#' as %23")
	case !bucketName.MatchString(u.Host):
		return Place{}, bad("the bucket must be 3 to 63 lower-case letters, digits, dots and hyphens")
	case strings.ContainsRune(u.Path, 0):
		return Place{}, bad("the path must not contain NUL")
	}
	p, reason := parameters(u.RawQuery)
	if reason != "" {
		return Place{}, bad(reason)
	}
	p.Bucket, p.Prefix = u.Host, strings.TrimPrefix(u.Path, "/")
	return p, nil
}

// parameters reads the query of a URL.
func parameters(query string) (p Place, reason string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return p, "the parameters are not a valid URL query"
	}
	for name, all := range values {
		if !slices.Contains([]string{"region", "endpoint", "path_style"}, name) {
			return p, "unknown parameter; region, endpoint and path_style are supported, and credentials come from the environment"
		}
		if len(all) != 1 || all[0] == "" {
			return p, name + " needs one value"
		}
	}
	p.Region, p.Endpoint = values.Get("region"), strings.TrimSuffix(values.Get("endpoint"), "/")
	if e, err := url.Parse(p.Endpoint); p.Endpoint != "" && (err != nil || e.Scheme != "http" && e.Scheme != "https" ||
		e.Hostname() == "" || e.User != nil || e.Path != "" || e.RawQuery != "" || e.Fragment != "") {
		return p, "endpoint must be http://host:port or https://host:port"
	}
	if style := values.Get("path_style"); style != "" {
		if p.PathStyle, err = strconv.ParseBool(style); err != nil {
			return p, "path_style must be true or false"
		}
	}
	return p, ""
}
