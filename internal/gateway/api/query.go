package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Values are the parameters in the query of a request. They keep the first mistake, so that a
// handler reads all and then asks for it.
type Values struct {
	values url.Values
	err    error
}

// Query reads the query of a request. A name that is not among those known, in these letters, is
// refused: a filter that is misspelled would find too much. Only the names in lists can be repeated.
func Query(r *http.Request, known []Param, lists ...string) *Values {
	v := &Values{}
	if v.values, v.err = url.ParseQuery(r.URL.RawQuery); v.err != nil {
		v.err = Fail(http.StatusBadRequest, "invalid_query", "the query of the URL is not valid; write special characters as %XX")
		return v
	}
	for name, all := range v.values {
		switch {
		case !slices.ContainsFunc(known, func(p Param) bool { return p.Name == name }):
			v.fail(name, "is not a parameter of this route; /openapi.json lists them")
		case len(all) > 1 && !slices.Contains(lists, name):
			v.fail(name, "is given twice")
		}
	}
	return v
}

func (v *Values) fail(name, reason string) {
	if v.err == nil {
		v.err = BadField(name, name+" "+reason)
	}
}

// Err is the first mistake.
func (v *Values) Err() error { return v.err }

// Text is the value of a parameter; "" = not given.
func (v *Values) Text(name string) string { return v.values.Get(name) }

// List are the values of a parameter that can be repeated.
func (v *Values) List(name string) []string { return v.values[name] }

// Int is a number from low to high; def = not given.
func (v *Values) Int(name string, def, low, high int64) int64 {
	text := v.Text(name)
	if text == "" {
		return def
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		v.fail(name, "must be a number from "+strconv.FormatInt(low, 10)+" to "+strconv.FormatInt(high, 10))
	}
	return n
}

// Word is one of several words; def = not given.
func (v *Values) Word(name, def string, words ...string) string {
	text := v.Text(name)
	if text == "" {
		return def
	}
	if !slices.Contains(words, text) {
		v.fail(name, "must be one of "+strings.Join(words, ", "))
	}
	return text
}
