package rows_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training/rows"
)

// TestReadRow: what is written is read again, of every kind of row.
func TestReadRow(t *testing.T) {
	t.Parallel()
	said := []rows.Message{{Role: rows.RoleUser, Content: "a <b>\n\"c\""}, {Role: rows.RoleAssistant, Content: "d"}}
	for _, r := range []rows.Row{
		rows.PromptRow("what?", "that"),
		rows.MessagesRow(said),
		{Parts: []rows.Part{{Key: rows.KeyText, Text: "text"}}},
		{Parts: []rows.Part{{Key: rows.KeyPrompt, Messages: said[:1]}, {Key: rows.KeyChosen, Messages: said[1:]}, {Key: rows.KeyRejected, Messages: said[1:]}}},
		{Parts: []rows.Part{{Key: rows.KeyAnchor, Text: "a"}, {Key: rows.KeyPositive, Text: "p"}, {Key: rows.KeyNegative, Text: "n"}}},
	} {
		line, err := r.AppendJSON(nil)
		require.NoError(t, err)
		back, err := rows.ReadRow(line)
		require.NoError(t, err)
		require.Equal(t, r, back)
	}
	for _, bad := range []string{"", "[]", "{}", `{"prompt":1}`, `{"messages":[1]}`, `{"other":"x"}`} {
		_, err := rows.ReadRow([]byte(bad))
		require.Equal(t, fault.Input, fault.ClassOf(err), "%q", bad)
	}
}
