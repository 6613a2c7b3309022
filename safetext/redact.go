package safetext

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Replacements for removed text.
const (
	KeyMark     = "[key]"
	ServiceMark = "[service]"
)

// Redactor removes secrets and the addresses of services from text. It finds a key in every
// form in which a server may repeat it: plain, escaped for JSON, URLs or HTML (also
// nested), in base64 (as in basic authentication) and in hex. A nil Redactor knows no keys.
// It is safe for concurrent use.
type Redactor struct {
	needles  []needle
	first    [256]bool // first bytes of all forms
	services []string  // host:port and host of the configured services, longest first
}

// needle is one form of a key.
type needle struct {
	text  []rune // without escapes
	whole bool   // only if no letter or digit is next to it: it is short
	least int    // minimum matching runes of its beginning: servers truncate text
}

const (
	minKey  = 4  // characters; shorter values are not secrets, and would break words apart
	sureKey = 8  // minimum length of a key that is found within words
	minPart = 12 // the shortest beginning of a key that is recognized
)

// placeholder lists values for servers that require no key.
func placeholder(key string) bool {
	return slices.Contains([]string{
		"empty", "none", "null", "dummy", "token", "test", "local", "ollama", "lm-studio", "not-needed",
		"no-key", "no-key-required", "sk-no-key-required", "sk-xxx", "placeholder", "changeme",
	}, strings.ToLower(key))
}

// NewRedactor makes a Redactor from the values of all configured keys and the URLs of all
// configured services. Empty ones and placeholders such as EMPTY are ignored.
func NewRedactor(keys, services []string) *Redactor {
	r := &Redactor{}
	for _, key := range keys {
		if key = strings.TrimSpace(key); len(key) >= minKey && !placeholder(key) {
			r.addKey(key)
		}
	}
	slices.SortStableFunc(r.needles, func(a, b needle) int { return len(b.text) - len(a.text) })
	for _, b := range []byte(`\%&` + KeyMark[:1]) {
		r.first[b] = true
	}
	for _, service := range services {
		u, err := url.Parse(service)
		if err != nil || u.Host == "" || u.Scheme == "s3" { // the host is a bucket, which users name
			continue
		}
		r.services = append(r.services, u.Host)
		if name := u.Hostname(); name != u.Host && strings.ContainsFunc(name, unicode.IsLetter) && strings.Contains(name, ".") {
			r.services = append(r.services, name)
		}
	}
	slices.SortFunc(r.services, func(a, b string) int { return len(b) - len(a) })
	r.services = slices.Compact(r.services)
	return r
}

func (r *Redactor) addKey(key string) {
	plain := unescaped(key)
	least := len(plain)
	if half := len(plain) / 2; half >= minPart {
		least = half
	}
	r.add(needle{text: plain, whole: len(plain) < sureKey, least: least})
	if len(key) < sureKey {
		return
	}
	for _, form := range []string{hex.EncodeToString([]byte(key)), strings.ToUpper(hex.EncodeToString([]byte(key)))} {
		r.add(needle{text: unescaped(form), least: len(form)})
	}
	// Base64 depends on the preceding bytes: there are three forms, of which the middle is
	// the same whatever surrounds the key.
	for shift := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			form := encoding.EncodeToString(append(make([]byte, shift), key...))
			from := []int{0, 2, 3}[shift]
			to := len(form)
			if (shift+len(key))%3 != 0 {
				to--
			}
			if to-from >= sureKey {
				r.add(needle{text: unescaped(form[from:to]), least: to - from})
			}
		}
	}
}

func (r *Redactor) add(n needle) {
	if slices.ContainsFunc(r.needles, func(o needle) bool { return slices.Equal(o.text, n.text) }) {
		return
	}
	r.needles = append(r.needles, n)
	var first [utf8.UTFMax]byte
	utf8.EncodeRune(first[:], n.text[0])
	r.first[first[0]] = true
}

// unescaped reads all of a text as match does.
func unescaped(s string) (out []rune) {
	for i := 0; i < len(s); {
		c, end := next(s, i, levels)
		if c >= 0 {
			out = append(out, c)
		}
		i = end
	}
	return out
}

// Line is this package's Line for a text that may contain secrets. It redacts before and
// after cleaning, because cleaning can join the parts of a key.
func (r *Redactor) Line(s string, limit int) string {
	return Cut(r.Text(tidy(r.Keys(s), false)), limit)
}

// Lines is Line for text of several lines.
func (r *Redactor) Lines(s string, limit int) string {
	return Cut(r.Text(tidy(r.Keys(s), true)), limit)
}

// Tail is this package's Tail for a text that may contain secrets. It also finds a key
// whose beginning was truncated before.
func (r *Redactor) Tail(s string, limit int) string {
	return Tail(r.Text(tidy(r.Keys(s), true)), limit)
}

// Reply is Line for the message of a service, or of the library that called it. It also
// removes the addresses of services that are not configured, because a service may name
// those behind it.
func (r *Redactor) Reply(s string, limit int) string { return Cut(r.reply(s), limit) }

func (r *Redactor) reply(s string) string {
	return r.Text(anyAddress(tidy(r.Keys(s), false)))
}

// Text returns s without keys and without the addresses of the configured services. It
// changes and truncates nothing else.
func (r *Redactor) Text(s string) string { return r.addresses(r.Keys(s)) }

// Keys returns s without keys.
func (r *Redactor) Keys(s string) string {
	if r == nil || len(r.needles) == 0 {
		return s
	}
	return r.replace(r.tornStart(s), 0, false)
}

// Parts is Keys for texts that are stored or shown one after another. It also finds a key
// that spans two of them; the mark is put where the key begins.
func (r *Redactor) Parts(parts []string) []string {
	out := slices.Clone(parts)
	if r == nil || len(r.needles) == 0 {
		return out
	}
	all := strings.Join(parts, "")
	var found [][2]int
	for at := 0; at < len(all); {
		end := 0
		if r.first[all[at]] {
			end = r.match(all, at)
		}
		if end > 0 {
			found = append(found, [2]int{at, end})
		}
		at = max(end, at+1)
	}
	for _, f := range slices.Backward(found) { // earlier positions do not move
		takeOut(out, f[0], f[1])
	}
	for i, part := range out {
		out[i] = r.Keys(part)
	}
	return out
}

// takeOut replaces the bytes from at to end of the joined parts by the mark.
func takeOut(parts []string, at, end int) {
	mark := KeyMark
	for i, part := range parts {
		from, to := min(max(at, 0), len(part)), min(max(end, 0), len(part))
		at, end = at-len(part), end-len(part)
		if from < to {
			parts[i] = part[:from] + mark + part[to:]
			mark = ""
		}
	}
}

// Answer returns the JSON document data without keys, which a server that echoes its input
// may put into a caption. Only strings are changed, so that it stays valid JSON.
func (r *Redactor) Answer(data []byte) []byte {
	if r == nil || len(r.needles) == 0 {
		return data
	}
	s := string(data)
	if out := r.replace(s, 0, true); out != s {
		return []byte(out)
	}
	return data
}

// replace removes what match finds; inStrings: only within JSON strings.
func (r *Redactor) replace(s string, from int, inStrings bool) string {
	var out strings.Builder
	quoted := false
	for i := from; i < len(s); {
		b := s[i]
		if inStrings && !quoted {
			next := strings.IndexByte(s[i:], '"')
			if next < 0 {
				break
			}
			i, quoted = i+next+1, true
			continue
		}
		if r.first[b] {
			if end := r.match(s, i); end > 0 {
				out.WriteString(s[from:i])
				out.WriteString(KeyMark)
				i, from = end, end
				continue
			}
		}
		switch {
		case inStrings && b == '\\':
			i++
		case inStrings && b == '"':
			quoted = false
		}
		i++
	}
	if out.Len() == 0 {
		return s
	}
	out.WriteString(s[from:])
	return out.String()
}

// match returns the end of the needle at s[at:]; 0 = none.
func (r *Redactor) match(s string, at int) int {
	if strings.HasPrefix(s[at:], KeyMark) {
		if n := r.tail(s[at+len(KeyMark):]); n > 0 {
			return at + len(KeyMark) + n
		}
	}
	first, second := next(s, at, levels)
	if first < 0 {
		return 0
	}
	for _, n := range r.needles {
		if n.text[0] != first {
			continue
		}
		matched, end := 1, second
		for i := second; matched < len(n.text) && i < len(s); {
			c, to := next(s, i, levels)
			if c >= 0 && c != n.text[matched] {
				break
			}
			i = to
			if c >= 0 {
				matched, end = matched+1, to
			}
		}
		torn := matched >= sureKey && end == len(s) // the text was truncated here
		if (matched >= n.least || torn) && (!n.whole || alone(s, at, end)) {
			return end
		}
	}
	return 0
}

// tail is the length of the end of a key at the beginning of s, after a mark: the beginning
// was removed while the rest was not next to it.
func (r *Redactor) tail(s string) (length int) {
	for _, n := range r.needles {
		key := string(n.text)
		for from := 1; from < len(key); from++ {
			if strings.HasPrefix(s, key[from:]) {
				length = max(length, len(key)-from)
				break
			}
		}
	}
	return length
}

func alone(s string, from, to int) bool {
	letter := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= utf8.RuneSelf
	}
	return (from == 0 || !letter(s[from-1])) && (to == len(s) || !letter(s[to]))
}

// tornStart removes the end of a key from the beginning of a text, which may have been
// truncated there.
func (r *Redactor) tornStart(s string) string {
	head := strings.TrimLeft(s, Mark)
	for _, n := range r.needles {
		key := string(n.text)
		for from := 1; from <= len(key)-sureKey; from++ {
			if strings.HasPrefix(head, key[from:]) {
				return KeyMark + head[len(key)-from:]
			}
		}
	}
	return s
}

// Error returns err with its text redacted like Reply, but not truncated. errors.Is and
// errors.As still work. nil stays nil.
func (r *Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	text := r.reply(err.Error())
	if text == err.Error() {
		return err
	}
	return &redactedError{text, err}
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.err }
