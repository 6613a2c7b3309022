package config

import (
	"cmp"
	"net/url"
	"path/filepath"
	"strings"
)

// ledgerPlace is the absolute path of a ledger file, or the URL of a PostgreSQL database.
func ledgerPlace(text string) (place string, problems Problems) {
	bad := func(text, fix string) (string, Problems) {
		return "", Problems{{Place: "cogflow.ledger", Text: text, Fix: fix}}
	}
	const example = "write it like postgres://user@host:5432/database, with special characters percent-encoded"
	scheme, _, isURL := strings.Cut(text, "://")
	if !isURL {
		abs, err := filepath.Abs(cmp.Or(text, filepath.Join(".cogflow", "ledger.db")))
		return abs, problems.add("cogflow.ledger", err)
	}
	u, err := url.Parse(text)
	switch {
	case scheme == "file" && (err != nil || u.Host != "" || !filepath.IsAbs(u.Path)):
		return bad("a file URL needs an absolute path", "write it with three slashes: file:///var/lib/cogflow/ledger.db")
	case scheme == "file":
		return u.Path, nil
	case scheme != "postgres" && scheme != "postgresql":
		return bad("a URL of another kind", "name a file, or a PostgreSQL database like postgres://user@host:5432/database")
	case err != nil: // the error may quote the password
		return bad("not a URL", example)
	case u.Host == "" && u.Query().Get("host") == "":
		return bad("the URL has no host", example)
	case strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "":
		return bad("the URL has no database", example)
	}
	return text, nil
}

// LedgerFile is the path of the ledger, or empty if it is a PostgreSQL database.
func (c Config) LedgerFile() string {
	if strings.Contains(c.Ledger, "://") {
		return ""
	}
	return c.Ledger
}

// LedgerPassword is the password in the URL of the ledger; empty = none.
func (c Config) LedgerPassword() string {
	u, err := url.Parse(c.Ledger)
	if err != nil {
		return ""
	}
	password, _ := u.User.Password()
	return cmp.Or(password, u.Query().Get("password"))
}

// checkLedgerFile refuses a password in the file.
func checkLedgerFile(s section) Problems {
	if (Config{Ledger: s.Ledger}).LedgerPassword() == "" {
		return nil
	}
	return Problems{{
		Place: "cogflow.ledger", Text: "a URL with a password",
		Fix: "remove the password and give it to the workers as PGPASSWORD, in ~/.pgpass, or by COGFLOW_LEDGER",
	}}
}

// shownLedger is a ledger without its password.
func shownLedger(place string) string {
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
