package fleet

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/activities"
)

// GPU is a GPU of a host.
type GPU struct {
	Host  string `json:"host"`
	Class string `json:"class"`
	activities.HostGPU
}

// GPUs makes one entry for each GPU of what the processes of a host say. The process that knows who
// holds it counts.
func GPUs(hosts []activities.WorkerHost) []GPU {
	out := []GPU{}
	for _, h := range hosts {
		for _, g := range h.GPUs {
			next := GPU{Host: h.Host, Class: h.Class, HostGPU: g}
			at := slices.IndexFunc(out, func(o GPU) bool { return o.Host == h.Host && o.UUID == g.UUID })
			switch {
			case at < 0:
				out = append(out, next)
			case out[at].Held == "" && out[at].Aside == "":
				out[at] = next
			}
		}
	}
	slices.SortStableFunc(out, func(a, b GPU) int { return cmp.Compare(a.Host, b.Host) })
	return out
}

// Problems are all reasons why GPUs or model servers of hosts are not known.
func (a Answers) Problems() (out []string) {
	if a.Problem != "" {
		out = append(out, a.Problem)
	}
	for _, h := range a.Hosts {
		if text := "GPUs of " + h.Host + ": " + h.Problem; h.Problem != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, silent := range a.Silent {
		out = append(out, "no answer from "+silent)
	}
	return out
}

// MemoryText is the memory that is used, "3.2 of 79.6 GiB"; "–" = the driver does not say.
func (g GPU) MemoryText() string { return memoryText(g.Used, g.Total) }

func memoryText(used *int64, total int64) string {
	switch {
	case total == 0:
		return "–"
	case used == nil:
		return fmt.Sprintf("unknown of %.1f GiB", gib(total))
	}
	return fmt.Sprintf("%.1f of %.1f GiB", gib(*used), gib(total))
}

func gib(bytes int64) float64 { return float64(bytes) / (1 << 30) }

// StateText says whether the GPU can be used.
func (g GPU) StateText() string {
	switch {
	case g.Aside != "":
		return "set aside: " + g.Aside
	case g.Held != "":
		return g.Held
	}
	return "free"
}
