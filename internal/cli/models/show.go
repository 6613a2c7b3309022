package models

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/cli/format"
)

func (a app) listCommand() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List model servers on demand with their hosts and states",
		Long: `List shows the servers that workers start on demand: what they do now, the GPUs that they have
leased, the memory of each GPU that they may use, their port, and since when the state lasts.`,
		Example: "  cogflow models list\n  cogflow models list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := a.ask(cmd.Context(), "", host)
			if err != nil {
				return err
			}
			return a.print(out)
		},
	}
	hostFlag(cmd, &host)
	return cmd
}

func (a app) print(out answer) error {
	if a.JSON {
		return a.PrintJSON(out)
	}
	if len(out.Servers) == 0 && len(out.Unserved) == 0 && out.Problem == "" {
		a.Say("No worker process has a model server on demand. docs/how-to/model-servers.md says how to configure one.")
	} else if len(out.Servers)+len(out.Unserved) > 0 {
		rows := make([][]string, 0, len(out.Servers))
		for _, s := range out.Servers {
			rows = append(rows, []string{
				s.Server, format.OrDash(strings.Join(s.Models, ", ")), s.Host, s.Class, s.StateText(), gpus(s), memory(s), s.Port, since(s),
			})
		}
		state := "no worker has it"
		if out.Problem != "" {
			state = "unknown"
		}
		for _, name := range out.Unserved {
			rows = append(rows, []string{name, "-", "-", "-", state, "-", "-", "-", "-"})
		}
		a.Table([]cli.Column{
			{Name: "server"},
			{Name: "model", Flex: true},
			{Name: "host"},
			{Name: "class"},
			{Name: "state"},
			{Name: "GPU"},
			{Name: "memory", Right: true},
			{Name: "port", Right: true},
			{Name: "since"},
		}, rows)
	}
	a.remarks(out)
	return nil
}

// remarks says what does not fit into the table.
func (a app) remarks(out answer) {
	for _, s := range out.Servers {
		switch {
		case s.Detail == "" || s.State == fleet.StateBooting || s.State == fleet.StateReady:
		default:
			a.Say("%s on %s: %s", s.Server, s.Host, s.Detail)
		}
		if len(s.SetAside) > 0 {
			a.Say("%s on %s avoids GPUs on which it failed to start: %s", s.Server, s.Host, strings.Join(s.SetAside, ", "))
		}
	}
	for _, silent := range out.Silent {
		a.Say("no answer from %s", silent)
	}
	if out.Problem != "" {
		a.Say("The state of model servers is unknown: %s", out.Problem)
	}
}

// gpus are the GPUs that a server has leased, or how many it will lease.
func gpus(s fleet.Server) string {
	switch {
	case len(s.Devices) > 0:
		short := make([]string, len(s.Devices))
		for i, device := range s.Devices {
			short[i] = device[:min(len(device), len("GPU-12345678"))]
		}
		return strings.Join(short, ", ")
	case s.GPUs > 0:
		return fmt.Sprintf("(%d)", s.GPUs)
	}
	return "-"
}

// memory is what a server may use of each GPU.
func memory(s fleet.Server) string {
	if s.GPUs > 0 && s.Memory == 0 {
		return "whole GPU"
	}
	return format.Bytes(s.Memory)
}

func since(s fleet.Server) string {
	if s.Since == nil {
		return "-"
	}
	return format.Span(time.Duration(s.Seconds)*time.Second) + " ago"
}

func (a app) statusCommand() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:     "status MODEL",
		Short:   "Show one model server on each of its hosts",
		Long:    "Status shows all that is known of a server, with its starts and their times since the worker process began.",
		Example: "  cogflow models status qwen",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := a.one(cmd.Context(), args[0], host)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(out)
			}
			for i, s := range out.Servers {
				if i > 0 {
					a.Say("")
				}
				a.status(s)
			}
			return nil
		},
	}
	hostFlag(cmd, &host)
	return cmd
}

func (a app) status(s fleet.Server) {
	rows := [][]string{
		{"server", s.Server},
		{"models", format.OrDash(strings.Join(s.Models, ", "))},
		{"host", fmt.Sprintf("%s, worker process %d, class %s", s.Host, s.Process, s.Class)},
		{"state", s.StateText()},
		{"since", since(s)},
		{"detail", format.OrDash(s.Detail)},
		{"requests", fmt.Sprint(s.Requests)},
		{"GPUs", fmt.Sprintf("%d: %s", s.GPUs, format.OrDash(strings.Join(s.Devices, ", ")))},
		{"GPUs set aside", format.OrDash(strings.Join(s.SetAside, ", "))},
		{"memory of each GPU", memory(s)},
		{"memory used", s.MemoryText()},
		{"port", s.Port},
		{"starts", fmt.Sprintf("%d, failures %d", s.Starts, s.Failures)},
		{"cold start time", format.Seconds(s.Boot)},
		{"idle time", format.Seconds(s.Idle)},
	}
	a.Table([]cli.Column{{Name: "what"}, {Name: "value", Wrap: true}}, rows)
}

func (a app) logsCommand() *cobra.Command {
	var host string
	lines := 50
	cmd := &cobra.Command{
		Use:     "logs MODEL",
		Short:   "Show the last lines that a model server has written",
		Long:    "Logs shows the end of the output of a server on each of its hosts, also of former starts. Keys are removed.",
		Example: "  cogflow models logs qwen\n  cogflow models logs qwen --lines 200",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			const most = 500
			if lines < 1 || lines > most {
				return cli.Usage("--lines must be 1 to %d", most)
			}
			return a.logs(cmd, args[0], host, lines)
		},
	}
	hostFlag(cmd, &host)
	cmd.Flags().IntVar(&lines, "lines", lines, "number of lines, at most 500")
	return cmd
}

// log is the output of one server.
type log struct {
	Host   string   `json:"host"`
	Server string   `json:"server"`
	File   string   `json:"file"` // on the host
	Lines  []string `json:"lines"`
}

func (a app) logs(cmd *cobra.Command, model, host string, lines int) error {
	out, err := a.one(cmd.Context(), model, host)
	if err != nil {
		return err
	}
	all := []log{}
	for _, s := range out.Servers {
		one, err := a.lines(cmd.Context(), s, lines)
		if err != nil {
			return err
		}
		all = append(all, one...)
	}
	if a.JSON {
		return a.PrintJSON(struct {
			Logs []log `json:"logs"`
		}{all})
	}
	for _, one := range all {
		a.Note("%s on %s, %s:", one.Server, one.Host, one.File)
		for _, line := range one.Lines {
			a.Say("%s", line)
		}
		if len(one.Lines) == 0 {
			a.Note("it has written nothing")
		}
	}
	return nil
}
