// Gpucheck prints a Markdown table of what `make gpu-check` measured, with the estimates beside it:
// go run ./deploy/gpucheck gpu-check.json
package main

import (
	"fmt"
	"os"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training/estimate/gpuruns"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fault.New(fault.Input, "read measured runs", "", "name one file that gpu_check.py wrote")
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return fault.Disk("read measured runs", args[0], err)
	}
	check, err := gpuruns.Read(args[0], data)
	if err != nil {
		return err
	}
	text, err := check.Markdown()
	if err == nil {
		_, err = os.Stdout.WriteString(text)
	}
	return err
}
