package answer

import (
	"fmt"
	"net/http"
	"net/url"
)

// redirect decides which redirects are followed: on the same host only, since a key
// must not travel to another, and never such that a paid request is sent again. A
// 303 says where the answer of a long call will be; what follows it is a GET.
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

// redirected says where a redirect leads that is not followed, without the path and
// the query, which may hold secrets.
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
