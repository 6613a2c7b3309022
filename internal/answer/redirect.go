package answer

import (
	"fmt"
	"net/http"
	"net/url"
)

// redirect decides which redirects are followed: only on the same host, because a key must
// not be sent to another host, and never if a paid request would be repeated. A 303 gives the
// address of the answer to a long call, which is polled with GET.
func redirect(r *http.Request, via []*http.Request) error {
	const most = 50 // of long polls
	before := via[len(via)-1]
	switch {
	case r.URL.Scheme != before.URL.Scheme, r.URL.Host != before.URL.Host, len(via) > most,
		before.Method != http.MethodGet && r.Response.StatusCode != http.StatusSeeOther:
		return http.ErrUseLastResponse
	}
	return nil
}

// redirected names the target of a redirect that is not followed, without path and query,
// which may contain secrets.
func (c *Client) redirected(r reply) string {
	const longest = 100
	where := "nowhere"
	if to, err := url.Parse(r.header.Get("Location")); err == nil && r.header.Get("Location") != "" {
		where = "another path of the same host"
		if to = r.at.ResolveReference(to); to.Scheme != r.at.Scheme || to.Host != r.at.Host {
			where = c.options.Redactor.Line(to.Scheme+", host "+to.Host, longest)
		}
	}
	return fmt.Sprintf("status %d: the server redirects to %s, and redirects are not followed; configure the address that they lead to", r.status, where)
}
