// Package secret recognizes credentials in texts.
package secret

import "strings"

// Kind is the kind of credential that text seems to contain; "" if none. It knows the
// tokens that have a fixed prefix.
func Kind(text string) string {
	if strings.Contains(text, "PRIVATE KEY-----") && strings.Contains(text, "-----BEGIN ") {
		return "a private key"
	}
	for _, kind := range []struct {
		prefix string
		length int // minimum after the prefix
		what   string
	}{
		{"AKIA", 16, "an AWS access key"},
		{"ghp_", 36, "a GitHub token"},
		{"github_pat_", 40, "a GitHub token"},
		{"hf_", 30, "a Hugging Face token"},
		{"sk-", 24, "an API key"},
		{"xoxb-", 20, "a Slack token"},
		{"xoxp-", 20, "a Slack token"},
		{"AIza", 35, "a Google API key"},
	} {
		for rest := text; ; {
			i := strings.Index(rest, kind.prefix)
			if i < 0 {
				break
			}
			word := i > 0 && tokenByte(rest[i-1]) // within a word: "task-"
			rest = rest[i+len(kind.prefix):]
			n, digits := 0, 0
			for n < len(rest) && tokenByte(rest[n]) {
				if rest[n] >= '0' && rest[n] <= '9' {
					digits++
				}
				n++
			}
			if !word && n >= kind.length && digits > 0 {
				return kind.what
			}
		}
	}
	return ""
}

func tokenByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '-'
}
