package config

// takeAlerts sets who is told of budgets.
func (c *Config) takeAlerts(s section) (problems Problems) {
	c.Alerts = s.Alerts.Alerts()
	s.Alerts.Check(func(key, text, fix string) {
		problems = append(problems, Problem{Place: "cogflow.alerts." + key, Text: text, Fix: fix})
	})
	return problems
}
