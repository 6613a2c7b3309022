package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// CommonFlags are the flags of every command that starts long work.
func CommonFlags(cmd *cobra.Command, c *workflows.Common) {
	cmd.Flags().StringVar(&c.Tenant, "tenant", "", `owner of data and spend, "acme" or "org:tenant" (default "default")`)
	cmd.Flags().Float64Var(&c.BudgetUSD, "budget", 0, "hard limit in USD; 0 = none")
	cmd.Flags().IntVar(&c.Priority, "priority", 0, "1 (first) to 5 (default 3)")
}

// Normalize fills in the defaults that ids, priorities and attributes need.
func Normalize(c *workflows.Common) error {
	t, err := tenant.Parse(c.Tenant)
	if err != nil {
		return Usage("%v", err)
	}
	c.Tenant = string(t)
	if c.Priority == 0 {
		c.Priority = 3
	}
	if c.Priority < 1 || c.Priority > 5 {
		return Usage("--priority must be a number from 1 to 5, not %d", c.Priority)
	}
	return CheckBudget(c.BudgetUSD)
}

// CheckBudget rejects an invalid limit in USD.
func CheckBudget(usd float64) error {
	if err := money.CheckLimit(usd); err != nil {
		return Usage("--budget: %v", err)
	}
	return nil
}

// CheckRange rejects the value of a flag that is outside of a range.
func CheckRange(flag string, value, low, high int) error {
	if value < low || value > high {
		return Usage("--%s must be a number from %d to %d, not %d", flag, low, high, value)
	}
	return nil
}

// CheckGPU replaces names of GPU classes by the classes that they mean, and rejects unknown ones.
func CheckGPU(names []string) error {
	for i, name := range names {
		class := video.GPUClass(name)
		if class == "" {
			return CheckOneOf("gpu", name, video.GPUClasses())
		}
		names[i] = class
	}
	return nil
}

// CheckOneOf rejects an unknown value, and suggests the nearest known one.
func CheckOneOf(flag, value string, known []string) error {
	if slices.Contains(known, value) {
		return nil
	}
	text := fmt.Sprintf("--%s must be one of %s, not %q", flag, strings.Join(known, ", "), value)
	if near := nearest(value, known); near != "" {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return Usage("%s", text)
}
