package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// alive is a pipe without writes. Its writing end is this process's alone and lasts
// as long as this process does, however that ends: then whoever reads it is at its end.
var alive = sync.OnceValues(func() (pipe [2]*os.File, err error) { //nolint:gochecknoglobals // a process has one life
	pipe[0], pipe[1], err = os.Pipe()
	return pipe, err
})

// maxFiles is how many files a child can have: POSIX shells know descriptors up to 9.
const maxFiles = 6

var errFiles = errors.New("a child can have six files at most")

// sh is there on every Unix.
const sh = "/bin/sh"

// tie returns the argument vector that runs argv tied to the life of this process. A shell
// leaves a watcher behind in the child's process group, which kills the group, and what is in
// the control group, when this process has ended; then it joins the control group; then it becomes argv. fd is the
// descriptor of the reading end of alive.
//
// The parent-death signal alone is not enough: it is sent to the child but not to what that
// has started, and programs arm it for theirs only some time after they have started them.
// bubblewrap killed between the two leaves a process that goes on, or waits for ever for a
// word from the dead one. The group has all of them: bubblewrap takes only the program out
// of it, which ends with the first process of its namespace.
//
// The watcher holds none of the child's files, so that their ends are seen. It is outside of
// the control group, and whoever waits for the child kills it with the rest of its process
// group.
func tie(argv []string, fd int, in *group) []string {
	var rest strings.Builder
	for other := 3; other <= 9; other++ {
		fmt.Fprintf(&rest, " %d<&-", other)
	}
	script := fmt.Sprintf(`{ read -r _; while [ "$1" != -- ]; do while read -r p; do kill -KILL "$p"; done < "$1"; shift; done; kill -KILL 0; } <&%d%s >/dev/null 2>&1 & exec %d<&-; `+
		`while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"`, fd, rest.String(), fd)
	return slices.Concat([]string{sh, "-c", script, "tie"}, in.members(), []string{"--"}, argv)
}
