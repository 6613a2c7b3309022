package vlm_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/video"
)

const key = "sk-live-0123456789abcdefghijklmnopqrstuvwxyzABCD"

// TestKeyOverTexts: a key that is split across several texts of one answer does not appear in
// captions.
func TestKeyOverTexts(t *testing.T) {
	t.Parallel()
	content := fmt.Sprintf(`{"caption":"you sent %s","on_screen_text":%q,"objects":[%q,"tram"],"actions":[]}`, key[:9], key[9:20], key[20:])
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/chat/completions") {
			_, _ = fmt.Fprintf(w, `{"choices":[{"message":{"content":[{"text":%q},{"text":%q}]}}]}`, content[:30], content[30:])
			return
		}
		_, _ = fmt.Fprintf(w, `{"descriptions":{"frame-0000":"you sent %s","frame-0001":"%s, a tram"}}`, key[:20], key[20:])
	}))
	t.Cleanup(s.Close)
	st := stage()
	st.Structured = true
	c, err := vlm.NewOpenAI(vlm.Options{URL: s.URL, Key: key}).Describe(t.Context(), video.DescribeRequest{Stage: st, JPEG: vlmtest.Picture(t, 1)})
	require.NoError(t, err)
	require.Equal(t, "you sent [key]", c.Text)
	require.Empty(t, c.OnScreenText)
	require.Equal(t, []string{"tram"}, c.Objects)

	d := vlm.NewCogniverse(vlm.Options{URL: s.URL, Key: key, Batch: 2})
	texts := make([]string, 2)
	var wg sync.WaitGroup
	for i := range texts {
		wg.Go(func() {
			c, err := d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
			if err == nil {
				texts[i] = c.Text
			}
		})
	}
	wg.Wait()
	require.ElementsMatch(t, []string{"you sent [key]", ", a tram"}, texts)
}
