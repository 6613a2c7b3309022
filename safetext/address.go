package safetext

import (
	"regexp"
	"slices"
	"strings"
)

// Addresses in messages of libraries and services: URLs, Go's connection errors ("dial tcp
// 10.0.0.7:8000: …"), and IP addresses with a port.
var (
	urls        = regexp.MustCompile(`(?i)\b(?:https?|wss?|grpcs?|tcp|unix|postgres(?:ql)?|redis|amqps?)://[^\s"'<>` + "`" + `\\]+`)
	connections = regexp.MustCompile(`\b((?:dial|read|write|connect|accept) (?:tcp|udp|unix)[46]? |lookup )[^\s"]*[^\s":](?:(?: on |->)[^\s"]*[^\s":])?: `)
	sockets     = regexp.MustCompile(`(?:\b\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.%a-z0-9]*:[0-9A-Fa-f:.%a-z0-9]*\]):\d{1,5}\b`)
)

// anyAddress removes the path of a URL too: it may contain a tenant or a token.
func anyAddress(s string) string {
	if !strings.Contains(s, ":") {
		return s
	}
	s = urls.ReplaceAllStringFunc(s, func(found string) string { return ServiceMark + trailing(found) })
	s = connections.ReplaceAllString(s, "$1"+ServiceMark+": ")
	return sockets.ReplaceAllString(s, ServiceMark)
}

// trailing is the punctuation after a URL in a sentence.
func trailing(found string) string { return found[len(strings.TrimRight(found, ".,:;!?)]}")):] }

func (r *Redactor) addresses(s string) string {
	if r == nil || len(r.services) == 0 {
		return s
	}
	if strings.Contains(s, "://") {
		s = urls.ReplaceAllStringFunc(s, func(found string) string {
			if slices.ContainsFunc(r.services, func(host string) bool { return replaceName(found, host) != found }) {
				return ServiceMark + trailing(found)
			}
			return found
		})
	}
	for _, service := range r.services {
		s = replaceName(s, service)
	}
	return s
}

// replaceName replaces a host that is not part of a longer name.
func replaceName(s, name string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, name)
		if i < 0 {
			break
		}
		end := i + len(name)
		out.WriteString(s[:i])
		if alone(s, i, end) {
			out.WriteString(ServiceMark)
		} else {
			out.WriteString(name)
		}
		s = s[end:]
	}
	if out.Len() == 0 {
		return s
	}
	return out.String() + s
}
