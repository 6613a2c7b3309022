package config

import "strings"

// takeGateway sets the configuration of cogflow-gateway.
func (c *Config) takeGateway(s section) (problems Problems) {
	s.Gateway.Check(func(key, text, fix string) {
		problems = append(problems, Problem{Place: strings.TrimSuffix("cogflow.gateway."+key, "."), Text: text, Fix: fix})
	})
	c.Gateway = s.Gateway.Complete()
	return problems
}
