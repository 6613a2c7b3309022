package programs

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/prompt/diff"
)

func TestProgramsGolden(t *testing.T) {
	t.Parallel()
	clitest.Golden(t, "programs", clitest.Printed(func(a *cli.App) { app{a}.printPrograms(clitest.Programs()) }))
	clitest.Golden(t, "program", clitest.Printed(func(a *cli.App) { assert.NoError(t, app{a}.printProgram(clitest.Program())) }))
	list, tried := clitest.Programs(), clitest.Program()
	list.Programs[1].Status, list.Programs[1].Share = "canary", 10
	tried.Canary = clitest.Canary("agentic-router")
	list.Programs = append(list.Programs, registry.ProgramLine{Name: "agentic-router", Version: 2, Status: "damaged"})
	clitest.Golden(t, "programs_canary", clitest.Printed(func(a *cli.App) { app{a}.printPrograms(list) }))
	clitest.Golden(t, "program_canary", clitest.Printed(func(a *cli.App) { assert.NoError(t, app{a}.printProgram(tried)) }))
}

// TestWriteWordsCleans: control sequences in an untrusted prompt do not reach the terminal.
func TestWriteWordsCleans(t *testing.T) {
	t.Parallel()
	for _, colored := range []bool{false, true} {
		var out bytes.Buffer
		writeWords(&out, []diff.Part{{Op: diff.Same, Text: "a\x1b[31m\u202e "}, {Op: diff.Removed, Text: "b\x07"}, {Op: diff.Added, Text: "c"}}, colored)
		want := "  a [-b-]{+c+}\n"
		if colored {
			want = "  a \x1b[31m[-b-]\x1b[0m\x1b[32m{+c+}\x1b[0m\n"
		}
		assert.Equal(t, want, out.String(), fmt.Sprint(colored))
	}
}
