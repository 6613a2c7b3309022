package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/workerlist"
)

// TestWith: a worker whose slots are all used does not poll, and one that drains has just polled.
func TestWith(t *testing.T) {
	t.Parallel()
	f := Fleet{Listed: true, Workers: []workerlist.Worker{
		{Queue: "train-h100", Host: "b", GPUs: "2 × H100", Slots: workerlist.Slots{Used: 2}},
		{Queue: "train-h100", Host: "a", Slots: workerlist.Slots{Used: 1, Free: 1}, Draining: true},
		{Queue: "cogflow", Host: "a", Slots: workerlist.Slots{Used: 5}, Tasks: workerlist.Slots{Used: 1, Free: 9}},
	}}
	q := f.With(cli.Pool{Queue: "train-h100"}, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	require.Equal(t, 1, q.Workers, "it works, although it has not polled for long")
	require.Equal(t, 1, q.Draining)
	require.Equal(t, workerlist.Slots{Used: 3}, *q.Slots, "the free slot of a worker that drains is of no use")
	require.Equal(t, []string{"a", "b"}, q.Hosts)
	require.Equal(t, "h100", q.Class)
	require.Equal(t, []string{"2 × H100"}, q.GPUs)
	require.Equal(t, []string{"2 × H100"}, Classes([]Queue{q, q})[0].GPUs)
	require.Equal(t, 1, f.With(cli.Pool{Queue: "train-h100", Workers: 2}, enumspb.TASK_QUEUE_TYPE_ACTIVITY).Workers)
	require.Equal(t, 9, f.With(cli.Pool{Queue: "cogflow"}, enumspb.TASK_QUEUE_TYPE_WORKFLOW).Slots.Free)
	require.Zero(t, f.With(cli.Pool{Queue: "cogflow"}, enumspb.TASK_QUEUE_TYPE_ACTIVITY).Slots.Free)
	require.Empty(t, q.Notices)
	f.Workers[1].Notice = "aws: terminate"
	require.Equal(t, []string{"a: aws: terminate"}, f.With(cli.Pool{Queue: "train-h100"}, enumspb.TASK_QUEUE_TYPE_ACTIVITY).Notices)
	require.Nil(t, Fleet{}.With(cli.Pool{Queue: "media", Workers: 1}, enumspb.TASK_QUEUE_TYPE_ACTIVITY).Slots)
}

func TestClasses(t *testing.T) {
	t.Parallel()
	queue := func(name string, workers int, hosts ...string) Queue {
		return Queue{Pool: cli.Pool{Queue: name, Workers: workers, Backlog: 2}, Class: ClassOf(name), Hosts: hosts, Slots: &workerlist.Slots{Used: 1, Free: 2}}
	}
	all := Classes([]Queue{queue("train-h100", 1, "b"), queue("describe-h100", 2, "a", "b"), queue("media", 1, "c"), {Pool: cli.Pool{Queue: "embed-t4"}, Class: "t4"}})
	require.Len(t, all, 3)
	require.Equal(t, Class{Class: "cpu", Queues: []string{"media"}, Hosts: []string{"c"}, Workers: 1, Slots: &workerlist.Slots{Used: 1, Free: 2}, Backlog: 2}, all[0])
	require.Equal(t, Class{Class: "t4", Queues: []string{"embed-t4"}}, all[1])
	require.Equal(t, Class{Class: "h100", Queues: []string{"train-h100", "describe-h100"}, Hosts: []string{"a", "b"}, Workers: 3, Slots: &workerlist.Slots{Used: 2, Free: 4}, Backlog: 4}, all[2])
}
