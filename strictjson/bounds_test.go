package strictjson_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/strictjson"
)

func TestBounds(t *testing.T) {
	t.Parallel()
	bounds := strictjson.Bounds{
		Text: 4, List: 2,
		Texts: map[string]int{"uri": 8, "part.uri": 8, "list[].uri": 8},
		Parts: map[string]int{"part": 30, "deep.part": 5},
	}
	for text, at := range map[string]string{
		`{"a":"1234"}`:                             "",
		`{"a":"12345"}`:                            "a",
		`{"a":"\u00e9\u00e9"}`:                     "",
		`{"a":"\u00e9\u00e9\u00e9"}`:               "a",
		`{"uri":"12345678"}`:                       "",
		`{"uri":"123456789"}`:                      "uri",
		`{"deep":{"uri":"12345"}}`:                 "deep.uri",
		`{"list":["1234","1234"]}`:                 "",
		`{"list":["1234","12345"]}`:                "list[]",
		`{"list":[{"uri":"12345678"}]}`:            "",
		`{"list":[1,2,3]}`:                         "list",
		`{"a":1,"b":2,"c":3}`:                      ".",
		`{"a":{"12345":1}}`:                        "a",
		`{"part":["123456789",1,2,3,4,5]}`:         "",
		`{"part":{"uri":"12345678"}}`:              "",
		`{"part":{"uri":"123456789"}}`:             "part.uri",
		`{"part":[{"uri":"123456789"}]}`:           "",
		`{"part":"1234567890123456789012345678"}`:  "",
		`{"part":"12345678901234567890123456789"}`: "part",
		`{"deep":{"part":12345}}`:                  "",
		`{"deep":{"part":123456}}`:                 "deep.part",
		`"1234"`:                                   "",
		`"12345"`:                                  ".",
		`{"a":null,"b":[true,1e9]}`:                "",
	} {
		err := bounds.Check([]byte(text))
		if at == "" {
			require.NoError(t, err, text)
			continue
		}
		found, ok := errors.AsType[*strictjson.Error](err)
		require.True(t, ok, text)
		require.Equal(t, strings.Trim(at, "."), found.Place, text)
		require.Contains(t, found.Reason, "at most", text)
	}
}
