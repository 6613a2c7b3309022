// Package webhook posts signed JSON to a URL of the configuration, as the Standard Webhooks
// specification says, so that receivers can check it with its libraries. It knows nothing about
// what it posts. No error has the URL, which may hold a secret.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// The headers of a request.
const (
	HeaderID        = "webhook-id"        // the same for each attempt
	HeaderTimestamp = "webhook-timestamp" // Unix time of the attempt
	HeaderSignature = "webhook-signature" // see Sign
)

const (
	timeout  = 10 * time.Second
	maxReply = 64 << 10 // of what is read, so that the connection can be used again
)

// Webhook is one receiver.
type Webhook struct {
	url    string
	secret []byte
	client *http.Client
	now    func() time.Time
}

// New makes the receiver at a URL. A secret that begins with whsec_ is base64, any other is text.
func New(target, secret string) (*Webhook, error) {
	key := []byte(secret)
	if text, encoded := strings.CutPrefix(secret, "whsec_"); encoded {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fault.New(fault.Input, "read the secret of the webhook", "", "it begins with whsec_, so the rest must be base64")
		}
	}
	if len(key) == 0 {
		return nil, fault.New(fault.Auth, "read the secret of the webhook", "", "it is empty")
	}
	return &Webhook{
		url: target, secret: key, now: time.Now,
		client: &http.Client{
			Timeout:       timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Sign is the signature of a body: HMAC-SHA256 over the id, the timestamp and the body.
func Sign(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Post posts a body once. Only a status of 2xx is a success; a redirect is not followed.
func (w *Webhook) Post(ctx context.Context, id string, body []byte) error {
	const op = "post to the webhook"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Input, op, "", "its URL is not valid")
	}
	at := strconv.FormatInt(w.now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "cogflow")
	r.Header.Set(HeaderID, id)
	r.Header.Set(HeaderTimestamp, at)
	r.Header.Set(HeaderSignature, Sign(w.secret, id, at, body))
	answer, err := w.client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL
		}
		return &fault.Error{Class: fault.Transport, Op: op, Subject: r.URL.Hostname(), Err: err}
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, maxReply))
	switch code := answer.StatusCode; {
	case code < 200 || code > 299:
		return fault.New(fault.Transport, op, r.URL.Hostname(), fmt.Sprintf("it answered with status %d; only 2xx is a success, and redirects are not followed", code))
	case err != nil:
		return &fault.Error{Class: fault.Transport, Op: op, Subject: r.URL.Hostname(), Err: err}
	default:
		return nil
	}
}

// Close closes idle connections.
func (w *Webhook) Close() { w.client.CloseIdleConnections() }
