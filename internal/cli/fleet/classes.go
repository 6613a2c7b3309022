package fleet

import (
	"cmp"
	"slices"

	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/video"
)

// Class is what all queues of one GPU class have together.
type Class struct {
	Class   string            `json:"class"`
	Queues  []string          `json:"queues"`
	Hosts   []string          `json:"hosts,omitempty"`
	GPUs    []string          `json:"gpus,omitempty"`
	Workers int               `json:"workers"` // of all these queues: a process counts once for each queue that it serves
	Slots   *workerlist.Slots `json:"slots,omitempty"`
	Backlog int64             `json:"backlog"`
}

// Classes sums up queues by GPU class, in the order of the classes.
func Classes(queues []Queue) []Class {
	by := map[string]*Class{}
	for _, q := range queues {
		one := by[q.Class]
		if one == nil {
			one = &Class{Class: q.Class}
			by[q.Class] = one
		}
		one.Queues = append(one.Queues, q.Queue)
		one.Workers += q.Workers
		one.Backlog += q.Backlog
		for _, host := range q.Hosts {
			if !slices.Contains(one.Hosts, host) {
				one.Hosts = append(one.Hosts, host)
			}
		}
		for _, gpus := range q.GPUs {
			if !slices.Contains(one.GPUs, gpus) {
				one.GPUs = append(one.GPUs, gpus)
			}
		}
		if q.Slots != nil {
			if one.Slots == nil {
				one.Slots = &workerlist.Slots{}
			}
			one.Slots.Used += q.Slots.Used
			one.Slots.Free += q.Slots.Free
		}
	}
	all := make([]Class, 0, len(by))
	for _, c := range by {
		slices.Sort(c.Hosts)
		all = append(all, *c)
	}
	order := video.GPUClasses()
	slices.SortFunc(all, func(a, b Class) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Class), slices.Index(order, b.Class)), cmp.Compare(a.Class, b.Class))
	})
	return all
}
