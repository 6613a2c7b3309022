package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// alive is a pipe to which nothing is written. Only this process has its writing end open, so
// readers get EOF when this process ends, in whatever way.
var alive = sync.OnceValues(func() (pipe [2]*os.File, err error) { //nolint:gochecknoglobals // one pipe for the process
	pipe[0], pipe[1], err = os.Pipe()
	return pipe, err
})

// maxFiles is how many files a child can have: POSIX shells support descriptors up to 9.
const maxFiles = 6

var errFiles = errors.New("a child can have six files at most")

// sh exists on every Unix.
const sh = "/bin/sh"

// endWithParent returns the argument vector that runs argv so that it ends with this process.
// A shell first starts a watcher in the child's process group. When this process has ended, the
// watcher kills that group and the processes in the control group. Then the shell joins the
// control group and executes argv. fd is the descriptor of the reading end of alive.
//
// The parent-death signal alone is not enough: the kernel sends it to the child but not to the
// child's children, and programs set it for their children only some time after the start. If
// bubblewrap is killed in between, its process continues, or waits forever for its dead parent.
// The process group includes all of them. A program that leaves it ends with the first process of
// its namespace. Therefore bubblewrap must not begin a session of its own, which is a group, too:
// the child has begun one already.
//
// The watcher closes the child's files, so that their readers get EOF. It is outside the
// control group. Process.reap kills it with the rest of the process group.
func endWithParent(argv []string, fd int, in *group) []string {
	var rest strings.Builder
	for other := 3; other <= 9; other++ {
		fmt.Fprintf(&rest, " %d<&-", other)
	}
	script := fmt.Sprintf(`{ read -r _; while [ "$1" != -- ]; do while read -r p; do kill -KILL "$p"; done < "$1"; shift; done; kill -KILL 0; } <&%d%s >/dev/null 2>&1 & exec %d<&-; `+
		`while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"`, fd, rest.String(), fd)
	return slices.Concat([]string{sh, "-c", script, "watcher"}, in.members(), []string{"--"}, argv)
}
