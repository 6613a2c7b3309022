// Package ledgerurl reads where a ledger is: a file, or a PostgreSQL database by its URL. It opens
// nothing.
package ledgerurl

import (
	"cmp"
	"net/url"
	"path/filepath"
	"strings"
)

// Place is the absolute path of a ledger file, or the URL of a PostgreSQL database. Otherwise, bad
// says what is wrong with the text, and fix how to write it.
func Place(text string) (place, bad, fix string) {
	const example = "write it like postgres://user@host:5432/database, with special characters percent-encoded"
	scheme, _, isURL := strings.Cut(text, "://")
	if !isURL {
		abs, err := filepath.Abs(cmp.Or(text, filepath.Join(".cogflow", "ledger.db")))
		if err != nil {
			return "", err.Error(), ""
		}
		return abs, "", ""
	}
	u, err := url.Parse(text)
	switch {
	case scheme == "file" && (err != nil || u.Host != "" || !filepath.IsAbs(u.Path)):
		return "", "a file URL needs an absolute path", "write it with three slashes: file:///var/lib/cogflow/ledger.db"
	case scheme == "file":
		return u.Path, "", ""
	case scheme != "postgres" && scheme != "postgresql":
		return "", "a URL of another kind", "name a file, or a PostgreSQL database like postgres://user@host:5432/database"
	case err != nil: // the error may quote the password
		return "", "not a URL", example
	case u.Host == "" && u.Query().Get("host") == "":
		return "", "the URL has no host", example
	case strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "":
		return "", "the URL has no database", example
	}
	return text, "", ""
}

// File is the path of a ledger file, or empty if the place is a PostgreSQL database.
func File(place string) string {
	if strings.Contains(place, "://") {
		return ""
	}
	return place
}

// Password is the password in the URL of a ledger; empty = none.
func Password(place string) string {
	u, err := url.Parse(place)
	if err != nil {
		return ""
	}
	password, _ := u.User.Password()
	return cmp.Or(password, u.Query().Get("password"))
}

// Shown is a place without its password.
func Shown(place string) string {
	if !strings.Contains(place, "://") {
		return place
	}
	u, err := url.Parse(place)
	if err != nil {
		return "(not a URL)"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for key := range q {
		if strings.Contains(strings.ToLower(key), "password") {
			q.Del(key)
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}
