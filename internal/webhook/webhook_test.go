package webhook_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/webhook"
)

// TestSign: the example of the Standard Webhooks specification.
func TestSign(t *testing.T) {
	t.Parallel()
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		webhook.Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)))
}

func TestPost(t *testing.T) {
	t.Parallel()
	const secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	key, err := base64.StdEncoding.DecodeString(secret)
	require.NoError(t, err)
	code := http.StatusNoContent
	var redirected int
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook/secret-path", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"a":1}` || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get(webhook.HeaderSignature) != webhook.Sign(key, "id", r.Header.Get(webhook.HeaderTimestamp), body) {
			t.Errorf("request: %v %s %v", err, body, r.Header)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
	})
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { redirected++ })
	server := httptest.NewServer(mux)
	defer server.Close()
	w, err := webhook.New(server.URL+"/hook/secret-path?token=hidden", "whsec_"+secret)
	require.NoError(t, err)
	defer w.Close()
	require.NoError(t, w.Post(t.Context(), "id", []byte(`{"a":1}`)))
	for _, code = range []int{http.StatusFound, http.StatusPermanentRedirect, http.StatusForbidden, http.StatusInternalServerError} {
		err = w.Post(t.Context(), "id", []byte(`{"a":1}`))
		require.Equal(t, fault.Transport, fault.ClassOf(err))
		require.NotContains(t, err.Error(), "secret-path")
		require.NotContains(t, err.Error(), "hidden")
	}
	require.Zero(t, redirected)
	server.Close()
	err = w.Post(t.Context(), "id", []byte(`{"a":1}`))
	require.Equal(t, fault.Transport, fault.ClassOf(err))
	require.NotContains(t, err.Error(), "secret-path")
	require.NotContains(t, err.Error(), "hidden")
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "whsec_", "whsec_%"} {
		_, err := webhook.New("http://h", secret)
		require.Error(t, err)
	}
	_, err := webhook.New("http://h", "any text")
	require.NoError(t, err)
}
