package config

import (
	"slices"

	"github.com/cogniverse/cogflow/strictjson"
)

// Parameters of requests that null in the configuration omits.
const (
	Temperature    = "temperature"
	MaxTokens      = "max_tokens"
	Seed           = "seed"
	ResponseFormat = "response_format"
	EnableThinking = "enable_thinking"
	EncodingFormat = "encoding_format"
)

// setting is a parameter of requests. null means that it is not sent, unlike a missing key,
// which means the default.
type setting[T any] struct {
	value *T
	null  bool
}

// UnmarshalJSON reads a value or null.
func (s *setting[T]) UnmarshalJSON(data []byte) error {
	*s = setting[T]{}
	if string(data) == "null" {
		s.null = true
		return nil
	}
	s.value = new(T)
	return strictjson.Unmarshal(data, s.value)
}

func (s setting[T]) set() bool { return s.null || s.value != nil }

// over returns s, or base if s is not set.
func (s setting[T]) over(base setting[T]) setting[T] {
	if s.set() {
		return s
	}
	return base
}

// or returns the value, or another one if there is none.
func (s setting[T]) or(other T) T {
	if s.value != nil {
		return *s.value
	}
	return other
}

// positive returns s without a value of 0, which means the default.
func positive(s setting[int]) setting[int] {
	if s.or(1) == 0 {
		s.value = nil
	}
	return s
}

// omitted lists the names of the settings that are null, sorted.
func omitted(null map[string]bool) (names []string) {
	for name, is := range null {
		if is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// omits reports whether a list of omitted parameters has one.
func omits(list []string, name string) bool { return slices.Contains(list, name) }
