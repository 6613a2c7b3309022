package cli_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

func TestTableIsCutToTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	cli.WriteTable(&out, 40, []cli.Column{{Name: "id"}, {Name: "text", Flex: true}}, [][]string{{"1", "日本語のとても長い説明文がここに続いていきます、まだ続きます"}})
	clitest.Golden(t, "cut", out.String())
}

func TestJSONSteersNoTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, cli.WriteJSON(&out, map[string]string{"name": clitest.Malicious, "html": "<&>"}))
	clitest.Golden(t, "json", out.String())
	for _, r := range out.String() {
		assert.False(t, r != '\n' && cli.Steers(r), "%q", r)
	}
}
