// Command docs writes docs/reference from the code: configuration, commands, workflows
// and the names that users see. `make docs` runs it; with -check it only reports which
// pages are out of date.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// page is one generated file; its name is relative to docs/reference.
type page struct {
	name string
	make func(*comments) ([]byte, error)
}

func pages() []page {
	return []page{
		{"commands.md", commands},
		{"configuration.md", configuration},
		{"configuration.schema.json", schema},
		{"workflows.md", workflowTypes},
		{"names.md", names},
		{"objects.md", objects},
	}
}

func main() {
	check := flag.Bool("check", false, "write nothing; fail when a page is out of date")
	flag.Parse()
	if err := run(".", *check); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// run writes or checks the pages of a checkout.
func run(root string, check bool) error {
	dir := filepath.Join(root, "docs", "reference")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var stale []string
	code := newComments(root)
	for _, p := range pages() {
		text, err := p.make(code)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		at := filepath.Join(dir, p.name)
		if old, err := os.ReadFile(at); err == nil && bytes.Equal(old, text) {
			continue
		}
		if check {
			stale = append(stale, p.name)
		} else if err := os.WriteFile(at, text, 0o644); err != nil {
			return err
		}
	}
	if stale != nil {
		return errors.New(strings.Join(stale, ", ") + " in docs/reference differ from the code; run `make docs` and commit")
	}
	return nil
}
