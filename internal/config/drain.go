package config

import (
	"cmp"
	"time"
)

// Drain says how long a stopping worker takes.
type Drain struct {
	Calls time.Duration `json:"calls"`           // time for paid calls in flight to be answered and stored; none starts any more
	Limit time.Duration `json:"limit,omitempty"` // time after which the supervisor kills the worker; 0 = unknown
}

// Limits of the seconds, and the default.
const (
	drainCalls = 60
	maxDrain   = 3600
)

func (c *Config) takeDrain(s drainSection) (problems Problems) {
	check := func(key string, value float64) {
		if value != 0 && !(value >= 1 && value <= maxDrain) { // NaN fails both
			problems = append(problems, Problem{Place: "cogflow.drain." + key, Text: "out of range", Fix: "use 1 to 3600"})
		}
	}
	check("calls_seconds", s.CallsSeconds)
	check("limit_seconds", s.LimitSeconds)
	c.Drain = Drain{
		Calls: time.Duration(cmp.Or(s.CallsSeconds, drainCalls) * float64(time.Second)),
		Limit: time.Duration(s.LimitSeconds * float64(time.Second)),
	}
	return problems
}

func overrideDrain(problems *Problems, s *drainSection, getenv func(string) string) {
	parse(problems, getenv, "COGFLOW_DRAIN_CALLS_SECONDS", "a number of seconds", &s.CallsSeconds, number)
	parse(problems, getenv, "COGFLOW_DRAIN_LIMIT_SECONDS", "a number of seconds", &s.LimitSeconds, number)
}
