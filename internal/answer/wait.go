package answer

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is the longest wait that a server may ask for.
const maxRetryAfter = 10 * time.Minute

// RetryAfter parses the value of the header Retry-After, seconds or a date; at most 10 min,
// 0 = none.
func RetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 {
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}

// wait is the wait that a server asks for: in milliseconds (OpenAI and Azure), in the usual
// header, in the headers of a limit that is used up, or in the body; 0 = none.
func wait(h http.Header, body []byte, said string, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		if ms, err := strconv.ParseFloat(h.Get(name), 64); err == nil && ms > 0 {
			return duration(strconv.FormatFloat(ms/1000, 'f', -1, 64) + "s")
		}
	}
	if d := RetryAfter(h.Get("Retry-After"), now); d > 0 {
		return d
	}
	longest := usedUp(h)
	if longest > 0 {
		return longest
	}
	return asked(body, said)
}

// usedUp is the longest time until a used-up limit is renewed: OpenAI, Groq, Azure.
func usedUp(h http.Header) (longest time.Duration) {
	for _, of := range []string{"Requests", "Tokens"} {
		if h.Get("X-Ratelimit-Remaining-"+of) == "0" {
			longest = max(longest, duration(h.Get("X-Ratelimit-Reset-"+of)))
		}
	}
	return longest
}

// tryAgain matches OpenAI, Groq and Azure: "Please try again in 7m12.5s".
var tryAgain = regexp.MustCompile(`(?:try again in|retry after) ((?:[\d.]+ ?(?:ms|s|m|h)(?:econds?|inutes?)?)+)`)

// asked reads the wait from the body: Gemini's RetryInfo, Hugging Face's estimated time, or the
// message.
func asked(body []byte, said string) time.Duration {
	var shapes struct {
		Estimated float64 `json:"estimated_time"`
		Error     struct {
			Details []struct {
				Delay string `json:"retryDelay"`
			} `json:"details"`
		} `json:"error"`
	}
	_ = json.Unmarshal(single(body), &shapes) // fields of another type stay empty
	for _, d := range shapes.Error.Details {
		if d := duration(d.Delay); d > 0 {
			return d
		}
	}
	if shapes.Estimated > 0 {
		return duration(strconv.FormatFloat(shapes.Estimated, 'f', -1, 64) + "s")
	}
	if found := tryAgain.FindStringSubmatch(strings.ToLower(said)); found != nil {
		return duration(strings.NewReplacer(" ", "", "seconds", "s", "second", "s", "minutes", "m", "minute", "m").Replace(found[1]))
	}
	return 0
}

// duration parses a duration in Go's notation, limited to maxRetryAfter; 0 if it is invalid.
func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0
	}
	return min(d, maxRetryAfter)
}
